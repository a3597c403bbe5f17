#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controlplane/core/loss_detector.h"
#include "controlplane/core/report_plan.h"
#include "controlplane/core/resources.h"
#include "nodeagent/session/session_decision.h"

namespace paddock::model {

inline constexpr int kNodes = 2;
// The most that a state holds; Bounds may ask for less.
inline constexpr int kGenerations = 3;
inline constexpr int kMessages = 3;
// Times in ticks of the loss detector's reading.
inline constexpr int kFenceTicks = 1;
inline constexpr int kLostTicks = 2;
// More of it changes nothing.
inline constexpr uint8_t kMaxSilence = kLostTicks + 1;

// A container as its agent knows it. What makes it end is in `phase` and `fate`.
enum class Fate : uint8_t { kNone, kExited, kFenced, kRebooted };

// Plain bytes throughout: a state is compared, hashed and stored as its bytes.
struct Placement {
  uint8_t exists = 0;
  uint8_t node = 0;
  uint8_t stop = 0;
  uint8_t fenced = 0;
  uint8_t released = 0;
  uint8_t revision = 0;  // Of the node, when the desired state last changed.
  uint8_t keep_volume = 0;
};

struct AgentState {
  uint8_t up = 1;
  uint8_t has_record = 0;
  uint8_t generation = 0;
  uint8_t running = 0;
  Fate fate = Fate::kNone;
  uint8_t removed = 0;
  uint8_t acknowledged = 0;
  uint8_t tombstone = 0;
  uint8_t applied = 0;
  uint8_t fence = 0;  // Ticks until the gateway process kills.
  // Generations whose files are in the session's volume there, as bits; 0: there is none.
  uint8_t files = 0;
};

struct Message {
  enum class Kind : uint8_t { kNone, kPut, kPutAnswer, kStop, kStopped, kReport, kAnswer };
  Kind kind = Kind::kNone;
  uint8_t node = 0;
  uint8_t generation = 0;  // Of the put, the stop or the reported container; 0: none.
  uint8_t running = 0;
  Fate fate = Fate::kNone;
  uint8_t revision = 0;  // Applied (report) or to be applied (answer).
  uint8_t order = 0;     // Reports: their sequence; those not above a processed one are dropped.
  uint8_t old_epoch = 0;
  uint8_t age = 0;    // Ticks since the report was sent.
  uint8_t run = 0;    // Answer: generation that is to run.
  uint8_t stops = 0;  // Answer: generations that are to be gone, as bits.
};

struct State {
  uint8_t created = 0;
  uint8_t deleted = 0;
  uint8_t phase = 0;  // SessionPhase.
  uint8_t generation = 0;
  std::array<uint8_t, kNodes> revision{};
  // Ticks since the counter was first read at its value; 0: it changed since the last reading.
  std::array<uint8_t, kNodes> silence{};
  std::array<Placement, kGenerations> placements{};
  std::array<AgentState, kNodes> agents{};
  std::array<Message, kMessages> messages{};
};

struct Bounds {
  int generations = kGenerations;
  int messages = kMessages;  // Under way at once.
};

// One session, two nodes, a control plane of any number of replicas (each step is one of its
// transactions, which the database makes atomic), and a network that loses, doubles, delays and
// reorders every message. Nodes and replicas stop and go on at any step. What is decided is decided
// by the code under test: CanTransition, PlanReport, TransitionFor, PlanLost, PlanNeverStarted,
// PlanStuck, LossDetector, and the agent's Decide. The transactions follow migrations/0003. Not
// thread-safe.
class FleetModel {
 public:
  FleetModel(OnNodeLoss on_node_loss, const Bounds& bounds);

  State Initial() const;
  // Every state that one step leads to.
  std::vector<State> Next(const State& state);
  // Empty, or which property the state breaks.
  std::string Broken(const State& state) const;
  // Nothing is left to be done: the session runs where it is said to, or is gone everywhere.
  bool IsSettled(const State& state) const;

 private:
  using Node = paddock::Node;

  // Of the control plane:
  void Place(State state, bool lost, std::vector<State>* next) const;
  bool Occupied(const State& state) const;
  void Losses(const State& state, std::vector<State>* next);
  void Stuck(const State& state, std::vector<State>* next) const;
  void Users(const State& state, std::vector<State>* next) const;
  void Resend(const State& state, std::vector<State>* next) const;
  void OrderStop(State* state) const;
  bool Apply(const SessionTransition& transition, State* state) const;
  static void Release(int node, int generation, bool up_to, State* state);
  void Restart(int generation, State* state) const;
  void HandleReport(const Message& report, State* state) const;
  bool IsLost(const State& state, int node);
  std::vector<PlacementState> PlacementsOf(const State& state, int node) const;

  // Of the agents:
  void Agents(const State& state, std::vector<State>* next) const;
  void Put(int node, int generation, State* state) const;
  void StopOn(int node, int generation, State* state) const;
  void Settle(int node, int wanted, int stop, State* state) const;
  void HandleAnswer(const Message& answer, State* state) const;
  static Message ReportOf(const State& state, int node);
  SessionStatus StatusOf(const Message& message) const;

  // Of time and network:
  void Tick(State state, std::vector<State>* next) const;
  void Deliver(const State& state, std::vector<State>* next) const;
  void Send(const Message& message, State* state) const;
  static void Order(State* state);

  const OnNodeLoss on_node_loss_;
  const Bounds bounds_;
  Settings settings_;
  std::map<std::vector<int>, std::array<bool, kNodes>> lost_;
};

}  // namespace paddock::model
