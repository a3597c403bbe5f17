#include "tests/model/fleet_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/session_phase.h"
#include "controlplane/core/reconcile_plan.h"
#include "controlplane/core/status_rules.h"

namespace paddock::model {
namespace {

SessionId Id() { return SessionId("s"); }
SessionPhase PhaseOf(const State& state) { return static_cast<SessionPhase>(state.phase); }
Placement& At(State* state, int generation) { return state->placements[generation - 1]; }

Placement* Current(State* state) {
  if (state->generation == 0) return nullptr;
  Placement& placement = At(state, state->generation);
  return placement.exists != 0 && placement.stop == 0 ? &placement : nullptr;
}

bool IsWaited(const Placement& placement) {
  return placement.exists != 0 && placement.released == 0 && placement.fenced == 0;
}

}  // namespace

FleetModel::FleetModel(OnNodeLoss on_node_loss, const Bounds& bounds)
    : on_node_loss_(on_node_loss), bounds_(bounds) {
  settings_.heartbeat_interval = absl::Milliseconds(1);
  settings_.not_ready_after = absl::Seconds(1);
  settings_.fence_after = absl::Seconds(kFenceTicks);
  settings_.lost_after = absl::Seconds(kLostTicks);
}

State FleetModel::Initial() const { return State(); }

std::vector<State> FleetModel::Next(const State& state) {
  std::vector<State> next;
  Users(state, &next);
  if (state.created != 0 && state.deleted == 0) {
    const SessionPhase phase = PhaseOf(state);
    if (phase == SessionPhase::kPending || phase == SessionPhase::kRescheduling) {
      Place(state, /*lost=*/false, &next);
    }
    Losses(state, &next);
    Stuck(state, &next);
  }
  Resend(state, &next);
  Agents(state, &next);
  Deliver(state, &next);
  Tick(state, &next);
  for (State& one : next) Order(&one);
  return next;
}

// ---- Users

void FleetModel::Users(const State& state, std::vector<State>* next) const {
  if (state.created == 0) {
    State created = state;
    created.created = 1;
    next->push_back(created);
    return;
  }
  if (state.deleted != 0) return;
  State deleted = state;
  OrderStop(&deleted);
  deleted.deleted = 1;
  next->push_back(deleted);
  if (PhaseOf(state) == SessionPhase::kTerminated || PhaseOf(state) == SessionPhase::kStopping) {
    return;
  }
  State archived = state;
  OrderStop(&archived);
  const bool live = std::any_of(archived.placements.begin(), archived.placements.end(), IsWaited);
  archived.phase = static_cast<uint8_t>(live ? SessionPhase::kStopping : SessionPhase::kTerminated);
  next->push_back(archived);
}

// ---- Control plane

// order_stop
void FleetModel::OrderStop(State* state) const {
  Placement* run = Current(state);
  if (run == nullptr) return;
  run->stop = 1;
  run->revision = ++state->revision[run->node];
  Message stop;
  stop.kind = Message::Kind::kStop;
  stop.node = run->node;
  stop.generation = state->generation;
  Send(stop, state);
}

bool FleetModel::Occupied(const State& state) const {
  return std::any_of(state.placements.begin(), state.placements.end(), IsWaited);
}

// place_session: with the next generation, on any node.
void FleetModel::Place(State state, bool lost, std::vector<State>* next) const {
  if (state.generation == bounds_.generations) return;
  int lost_node = -1;
  if (lost) {
    const Placement& old = At(&state, state.generation);
    lost_node = old.node;
    OrderStop(&state);
    At(&state, state.generation).fenced = 1;
  }
  if (Occupied(state)) return;
  for (int node = 0; node < kNodes; ++node) {
    if (node == lost_node) continue;
    State placed = state;
    ++placed.generation;
    Placement& placement = At(&placed, placed.generation);
    placement.exists = 1;
    placement.node = static_cast<uint8_t>(node);
    placement.revision = ++placed.revision[node];
    placed.phase = static_cast<uint8_t>(SessionPhase::kStarting);
    Message put;
    put.kind = Message::Kind::kPut;
    put.node = placement.node;
    put.generation = placed.generation;
    Send(put, &placed);
    next->push_back(placed);
  }
}

// Whether the detector, having read at every tick, says so. A third node, always there, keeps one
// silent node below the third at which nothing is moved.
bool FleetModel::IsLost(const State& state, int node) {
  std::vector<int> key;
  std::map<NodeId, int64_t> runs;
  for (int n = 0; n < kNodes; ++n) {
    key.push_back(state.silence[n]);
    int count = 0;
    for (const Placement& p : state.placements) {
      if (p.exists != 0 && p.node == n && p.released == 0 && p.fenced == 0) ++count;
    }
    key.push_back(count > 0 ? 1 : 0);
    if (count > 0) runs[NodeId(absl::StrCat(n))] = 1;
  }
  runs[NodeId("healthy")] = 1;
  auto [it, is_new] = lost_.try_emplace(key);
  if (is_new) {
    LossDetector detector(settings_);
    for (int tick = 0; tick <= kMaxSilence; ++tick) {
      std::vector<Node> nodes(kNodes + 1);
      for (int n = 0; n < kNodes; ++n) {
        nodes[n].id = NodeId(absl::StrCat(n));
        // It has had its last value for `silence` readings, this one included.
        nodes[n].heartbeat_counter = tick > kMaxSilence - state.silence[n] ? 100 : tick;
        nodes[n].silent_for = absl::ZeroDuration();
      }
      nodes[kNodes].id = NodeId("healthy");
      nodes[kNodes].heartbeat_counter = tick;
      nodes[kNodes].silent_for = absl::ZeroDuration();
      it->second = {};
      for (const LossDetector::Lost& lost : detector.Observe(absl::Seconds(tick), nodes, runs)) {
        for (int n = 0; n < kNodes; ++n) {
          if (lost.id == nodes[n].id) it->second[n] = true;
        }
      }
    }
  }
  // A counter that has changed since the last reading fails the comparison in the transaction.
  return it->second[node] && state.silence[node] > 0;
}

void FleetModel::Losses(const State& state, std::vector<State>* next) {
  if (state.generation == 0) return;
  const Placement& placement = state.placements[state.generation - 1];
  const bool runs = placement.stop == 0 || PhaseOf(state) == SessionPhase::kRescheduling;
  if (!runs || placement.fenced != 0 || placement.released != 0) return;
  if (!IsLost(state, placement.node)) return;
  RunningSession session;
  session.id = Id();
  session.generation = state.generation;
  session.phase = PhaseOf(state);
  session.on_node_loss = on_node_loss_;
  session.needs.id = session.id;
  session.needs.generation = session.generation;
  Node other;
  other.id = NodeId("other");
  other.state = NodeState::kReady;
  other.capacity = {1000, 1000, 1000, 10};
  for (const SessionStore::Move& move : PlanLost(NodeId("lost"), 1, {session}, {other}, false, 0)) {
    if (PhaseOf(state) == SessionPhase::kStopping || IsFinal(PhaseOf(state))) continue;
    if (move.lost_node_counter.has_value()) Place(state, /*lost=*/true, next);
  }
  for (const SessionTransition& transition : PlanNeverStarted({session})) {
    State ended = state;
    if (Apply(transition, &ended)) next->push_back(ended);
  }
}

// Whenever: the bounds are over at some time.
void FleetModel::Stuck(const State& state, std::vector<State>* next) const {
  const SessionPhase phase = PhaseOf(state);
  if (BoundOf(phase, settings_) == absl::InfiniteDuration()) return;
  const bool restarts = phase == SessionPhase::kStarting && on_node_loss_ == OnNodeLoss::kKeep &&
                        state.generation > 1;
  if (restarts) return;
  State ended = state;
  if (Apply(PlanStuck({Id(), state.generation, phase, ""}), &ended)) next->push_back(ended);
}

void FleetModel::Resend(const State& state, std::vector<State>* next) const {
  for (int generation = 1; generation <= kGenerations; ++generation) {
    const Placement& placement = state.placements[generation - 1];
    if (placement.exists == 0 || placement.stop == 0 || placement.released != 0) continue;
    State sent = state;
    Message stop;
    stop.kind = Message::Kind::kStop;
    stop.node = placement.node;
    stop.generation = static_cast<uint8_t>(generation);
    Send(stop, &sent);
    next->push_back(sent);
  }
}

// apply_transition
bool FleetModel::Apply(const SessionTransition& transition, State* state) const {
  const SessionPhase from = PhaseOf(*state);
  if (state->created == 0 || state->deleted != 0 || state->generation != transition.generation ||
      transition.only_from.value_or(from) != from || !CanTransition(from, transition.to)) {
    return false;
  }
  state->phase = static_cast<uint8_t>(transition.to);
  if (!transition.stop_reason.empty()) OrderStop(state);
  return true;
}

// release_placements
void FleetModel::Release(int node, int generation, bool up_to, State* state) {
  bool released = false;
  for (int g = 1; g <= kGenerations; ++g) {
    Placement& placement = At(state, g);
    if (placement.exists == 0 || placement.node != node || placement.stop == 0 ||
        placement.released != 0 || !(g == generation || (up_to && g < generation))) {
      continue;
    }
    placement.released = 1;
    released = true;
  }
  if (!released || state->deleted != 0 || PhaseOf(*state) != SessionPhase::kStopping) return;
  if (std::any_of(state->placements.begin(), state->placements.end(), IsWaited)) return;
  state->phase = static_cast<uint8_t>(SessionPhase::kTerminated);
}

// restart_session
void FleetModel::Restart(int generation, State* state) const {
  const SessionPhase phase = PhaseOf(*state);
  if (state->deleted != 0 || state->generation != generation || generation == bounds_.generations ||
      (phase != SessionPhase::kStarting && phase != SessionPhase::kRunning)) {
    return;
  }
  Placement& old = At(state, generation);
  if (old.stop != 0) return;
  const uint8_t revision = ++state->revision[old.node];
  old.stop = 1;
  old.released = 1;
  ++state->generation;
  Placement& placement = At(state, state->generation);
  placement.exists = 1;
  placement.node = old.node;
  placement.revision = revision;
  placement.keep_volume = 1;
  state->phase = static_cast<uint8_t>(SessionPhase::kStarting);
}

std::vector<PlacementState> FleetModel::PlacementsOf(const State& state, int node) const {
  std::vector<PlacementState> placements;
  for (int generation = 1; generation <= kGenerations; ++generation) {
    const Placement& placement = state.placements[generation - 1];
    if (placement.exists == 0 || placement.node != node || placement.released != 0) continue;
    PlacementState entry;
    entry.session_id = Id();
    entry.generation = generation;
    entry.node_revision = placement.revision;
    entry.stop = placement.stop != 0;
    // The grace is over, or isn't: what it may lead to is the more interesting.
    entry.age = kMissingGrace;
    entry.on_node_loss = on_node_loss_;
    if (state.deleted == 0 && state.generation == generation) entry.phase = PhaseOf(state);
    entry.reason = "-";
    placements.push_back(std::move(entry));
  }
  return placements;
}

SessionStatus FleetModel::StatusOf(const Message& message) const {
  SessionStatus status;
  status.session_id = Id();
  status.generation = message.generation;
  status.state = message.running != 0 ? SessionPhase::kRunning : SessionPhase::kTerminated;
  switch (message.fate) {
    case Fate::kNone:
      break;
    case Fate::kExited:
      status.reason = "CONTAINER_EXITED";
      break;
    case Fate::kFenced:
      status.reason = kReasonFenced;
      break;
    case Fate::kRebooted:
      status.reason = kReasonNodeRebooted;
      break;
  }
  return status;
}

void FleetModel::HandleReport(const Message& report, State* state) const {
  const int node = report.node;
  state->silence[node] = 0;
  for (Message& message : state->messages) {
    const bool older = message.old_epoch > report.old_epoch ||
                       (message.old_epoch == report.old_epoch && message.order <= report.order);
    if (message.kind == Message::Kind::kReport && message.node == node && older) {
      message = Message();
    }
  }
  std::vector<SessionStatus> statuses;
  if (report.generation > 0) statuses.push_back(StatusOf(report));
  Message answer = report;
  answer.kind = Message::Kind::kAnswer;
  answer.order = 0;
  answer.revision = state->revision[node];
  const ReportPlan plan =
      PlanReport(PlacementsOf(*state, node), statuses, report.revision, ReportKind::kComplete);
  for (const SessionTransition& transition : plan.transitions) Apply(transition, state);
  for (const NodeStore::Absent& restart : plan.restarts) {
    Restart(static_cast<int>(restart.generation), state);
  }
  for (const NodeStore::Absent& absent : plan.absent) {
    Release(node, static_cast<int>(absent.generation), /*up_to=*/false, state);
  }
  for (const SessionStop& stop : plan.stops) {
    answer.stops |= static_cast<uint8_t>(1 << stop.generation);
  }
  for (int generation = 1; generation <= kGenerations; ++generation) {
    const Placement& placement = state->placements[generation - 1];
    if (placement.exists == 0 || placement.node != node || placement.released != 0 ||
        placement.revision <= report.revision) {
      continue;
    }
    if (placement.stop != 0) {
      answer.stops |= static_cast<uint8_t>(1 << generation);
    } else {
      answer.run = static_cast<uint8_t>(generation);
    }
  }
  // Of an agent that has ended since, nobody listens.
  if (report.old_epoch == 0) Send(answer, state);
}

// ---- Properties

std::string FleetModel::Broken(const State& state) const {
  int running = 0;
  for (int node = 0; node < kNodes; ++node) {
    const AgentState& agent = state.agents[node];
    if (agent.running == 0) continue;
    ++running;
    const Placement& placement = state.placements[agent.generation - 1];
    if (placement.exists == 0 || placement.node != node) return "a container nobody placed there";
    if (placement.released != 0) return "a charge was released while its container runs";
    // A KEEP session has the files of all that ran before it.
    const uint8_t all = static_cast<uint8_t>((2 << agent.generation) - 2);
    if (on_node_loss_ == OnNodeLoss::kKeep && agent.files != all) return "files are gone";
  }
  if (running > 1) return "a session runs on two nodes at once";
  int current = 0;
  for (const Placement& placement : state.placements) {
    if (placement.exists != 0 && placement.stop == 0) ++current;
    if (placement.stop == 0 && (placement.released != 0 || placement.fenced != 0)) {
      return "a placement that is to run was released or fenced";
    }
  }
  if (current > 1) return "two placements are to run";
  if (on_node_loss_ == OnNodeLoss::kKeep) {
    for (const Placement& placement : state.placements) {
      if (placement.fenced != 0) return "a KEEP session was moved";
    }
  }
  return "";
}

bool FleetModel::IsSettled(const State& state) const {
  if (state.created == 0) return false;
  for (const Placement& placement : state.placements) {
    if (placement.exists != 0 && placement.stop != 0 && placement.released == 0) return false;
  }
  const bool runs = state.deleted == 0 && PhaseOf(state) == SessionPhase::kRunning;
  const bool ended = state.deleted != 0 || IsFinal(PhaseOf(state));
  for (int node = 0; node < kNodes; ++node) {
    const AgentState& agent = state.agents[node];
    const bool here = runs && state.placements[state.generation - 1].node == node;
    if (here != (agent.running != 0)) return false;
    if (here && agent.generation != state.generation) return false;
  }
  return runs || ended;
}

}  // namespace paddock::model
