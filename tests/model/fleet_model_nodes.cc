// The steps of agents, time and network.
#include <algorithm>
#include <cstring>

#include "common/session_phase.h"
#include "controlplane/core/status_rules.h"
#include "tests/model/fleet_model.h"

namespace paddock::model {
namespace {

constexpr uint8_t kMaxAge = kFenceTicks + 1;

}  // namespace

// ---- Agents

Message FleetModel::ReportOf(const State& state, int node) {
  const AgentState& agent = state.agents[node];
  Message report;
  report.kind = Message::Kind::kReport;
  report.node = static_cast<uint8_t>(node);
  report.revision = agent.applied;
  if (agent.has_record != 0) {
    report.generation = agent.generation;
    report.running = agent.running;
    report.fate = agent.fate;
  }
  for (const Message& message : state.messages) {
    if (message.kind == Message::Kind::kReport && message.node == node && message.old_epoch == 0) {
      report.order = std::max<uint8_t>(report.order, message.order + 1);
    }
  }
  return report;
}

void FleetModel::Agents(const State& state, std::vector<State>* next) const {
  for (int node = 0; node < kNodes; ++node) {
    const AgentState& agent = state.agents[node];
    if (agent.up != 0) {
      State sent = state;
      Send(ReportOf(state, node), &sent);
      next->push_back(sent);
    }
    if (agent.has_record != 0 && agent.running != 0 && agent.up != 0) {
      State exited = state;
      exited.agents[node].running = 0;
      exited.agents[node].fate = Fate::kExited;
      exited.agents[node].acknowledged = 0;
      Settle(node, 0, 0, &exited);
      next->push_back(exited);
    }
    // The agent ends and another one takes over; or the machine does, with all that ran.
    for (bool reboot : {false, true}) {
      State again = state;
      AgentState& changed = again.agents[node];
      changed.up = 1;
      changed.applied = 0;
      changed.acknowledged = 0;
      if (reboot && changed.running != 0) {
        changed.running = 0;
        changed.fate = Fate::kRebooted;
      }
      if (reboot) changed.fence = 0;
      for (Message& message : again.messages) {
        if (message.node != node) continue;
        if (message.kind == Message::Kind::kAnswer) message = Message();
        if (message.kind == Message::Kind::kReport) message.old_epoch = 1;
      }
      Settle(node, 0, 0, &again);
      next->push_back(again);
    }
    if (agent.up != 0) {
      State down = state;
      down.agents[node].up = 0;
      next->push_back(down);
    }
  }
}

void FleetModel::Put(int node, int generation, State* state) const {
  AgentState& agent = state->agents[node];
  const bool seen = agent.has_record != 0 && agent.generation >= generation;
  if (agent.tombstone >= generation || seen) return;
  Settle(node, generation, 0, state);
}

void FleetModel::StopOn(int node, int generation, State* state) const {
  AgentState& agent = state->agents[node];
  agent.tombstone = std::max<uint8_t>(agent.tombstone, generation);
  Settle(node, 0, generation, state);
}

// What the session's worker does until it is at rest.
void FleetModel::Settle(int node, int wanted, int stop, State* state) const {
  AgentState& agent = state->agents[node];
  while (true) {
    nodeagent::SessionView view;
    view.has_record = agent.has_record != 0;
    view.generation = agent.generation;
    view.phase = agent.running != 0 ? SessionPhase::kRunning : SessionPhase::kTerminated;
    view.removed = agent.removed != 0;
    view.keeps_volume = agent.fate == Fate::kRebooted && on_node_loss_ == OnNodeLoss::kKeep;
    view.acknowledged = agent.acknowledged != 0;
    view.wanted_generation = wanted;
    view.wanted_keeps_volume = wanted > 0 && state->placements[wanted - 1].keep_volume != 0;
    view.stop_generation = stop;
    switch (nodeagent::Decide(view)) {
      case nodeagent::SessionAction::kNone:
      case nodeagent::SessionAction::kHandleExit:
        return;
      case nodeagent::SessionAction::kStart: {
        const bool fenced = on_node_loss_ == OnNodeLoss::kReschedule && agent.fence == 0;
        agent.has_record = 1;
        agent.generation = static_cast<uint8_t>(wanted);
        agent.running = fenced ? 0 : 1;
        agent.fate = fenced ? Fate::kFenced : Fate::kNone;
        agent.removed = 0;
        agent.acknowledged = 0;
        agent.tombstone = std::max<uint8_t>(agent.tombstone, wanted);
        if (!view.wanted_keeps_volume) agent.files = 0;
        agent.files |= static_cast<uint8_t>(1 << wanted);
        wanted = 0;
        break;
      }
      case nodeagent::SessionAction::kRemove:
        agent.running = 0;
        if (!nodeagent::RemovalKeepsVolume(view)) agent.files = 0;
        if (nodeagent::IsSuperseded(view)) {
          agent.has_record = 0;
          agent.generation = 0;
          agent.fate = Fate::kNone;
          agent.removed = 0;
          agent.acknowledged = 0;
        } else {
          agent.removed = 1;
        }
        break;
      case nodeagent::SessionAction::kRemoveUnknown:
        stop = 0;
        agent.files = 0;
        break;
      case nodeagent::SessionAction::kForget:
        agent.has_record = 0;
        agent.generation = 0;
        agent.fate = Fate::kNone;
        agent.removed = 0;
        agent.acknowledged = 0;
        break;
    }
  }
}

void FleetModel::HandleAnswer(const Message& answer, State* state) const {
  AgentState& agent = state->agents[answer.node];
  if (agent.has_record != 0 && agent.generation == answer.generation &&
      agent.running == answer.running && agent.fate == answer.fate) {
    agent.acknowledged = 1;
  }
  // Counted from when the report was sent, and rounded up: the later kill is the more dangerous.
  const int fence = kFenceTicks + 1 - answer.age;
  // Nothing depends on it with KEEP.
  if (fence > 0 && on_node_loss_ == OnNodeLoss::kReschedule)
    agent.fence = std::max<uint8_t>(agent.fence, static_cast<uint8_t>(fence));
  if (answer.run > 0) Put(answer.node, answer.run, state);
  for (int generation = 1; generation <= kGenerations; ++generation) {
    if ((answer.stops >> generation & 1) != 0) StopOn(answer.node, generation, state);
  }
  agent.applied = std::max(agent.applied, answer.revision);
  Settle(answer.node, 0, 0, state);
}

// ---- Time and network

void FleetModel::Tick(State state, std::vector<State>* next) const {
  for (int node = 0; node < kNodes; ++node) {
    state.silence[node] = std::min<uint8_t>(kMaxSilence, state.silence[node] + 1);
    AgentState& agent = state.agents[node];
    if (agent.fence > 0) --agent.fence;
    // By the gateway process, whatever the agent does.
    if (agent.fence == 0 && agent.running != 0 && on_node_loss_ == OnNodeLoss::kReschedule) {
      agent.running = 0;
      agent.fate = Fate::kFenced;
      agent.acknowledged = 0;
      if (agent.up != 0) Settle(node, 0, 0, &state);
    }
  }
  for (Message& message : state.messages) {
    const bool ages =
        on_node_loss_ == OnNodeLoss::kReschedule &&
        (message.kind == Message::Kind::kReport || message.kind == Message::Kind::kAnswer);
    if (ages) {
      message.age = std::min<uint8_t>(kMaxAge, message.age + 1);
    }
  }
  next->push_back(state);
}

void FleetModel::Deliver(const State& state, std::vector<State>* next) const {
  for (int i = 0; i < kMessages; ++i) {
    const Message message = state.messages[i];
    if (message.kind == Message::Kind::kNone) continue;
    State lost = state;
    lost.messages[i] = Message();
    next->push_back(lost);
    // Once more, or for the last time.
    for (const State& before : {state, lost}) {
      State after = before;
      const bool to_agent = message.kind == Message::Kind::kPut ||
                            message.kind == Message::Kind::kStop ||
                            message.kind == Message::Kind::kAnswer;
      if (to_agent && after.agents[message.node].up == 0) continue;
      switch (message.kind) {
        case Message::Kind::kNone:
          continue;
        case Message::Kind::kPut: {
          Put(message.node, message.generation, &after);
          const AgentState& agent = after.agents[message.node];
          if (agent.has_record != 0 && agent.generation == message.generation) {
            Message answer = ReportOf(after, message.node);
            answer.kind = Message::Kind::kPutAnswer;
            answer.order = 0;
            answer.revision = 0;
            Send(answer, &after);
          }
          break;
        }
        case Message::Kind::kPutAnswer: {
          const auto transition = TransitionFor(StatusOf(message), on_node_loss_);
          if (transition.has_value()) Apply(*transition, &after);
          break;
        }
        case Message::Kind::kStop: {
          StopOn(message.node, message.generation, &after);
          Message answer = message;
          answer.kind = Message::Kind::kStopped;
          Send(answer, &after);
          break;
        }
        case Message::Kind::kStopped:
          Release(message.node, message.generation, /*up_to=*/true, &after);
          break;
        case Message::Kind::kReport:
          HandleReport(message, &after);
          break;
        case Message::Kind::kAnswer:
          HandleAnswer(message, &after);
          break;
      }
      next->push_back(after);
    }
  }
}

// Lost when the network is full, which is only one of the ways to be lost.
void FleetModel::Send(const Message& message, State* state) const {
  for (const Message& there : state->messages) {
    if (std::memcmp(&there, &message, sizeof(Message)) == 0) return;
  }
  const auto free = std::find_if(state->messages.begin(), state->messages.end(),
                                 [](const auto& m) { return m.kind == Message::Kind::kNone; });
  const auto used = std::count_if(state->messages.begin(), state->messages.end(),
                                  [](const auto& m) { return m.kind != Message::Kind::kNone; });
  if (used < bounds_.messages) *free = message;
}

// States that differ in the order of what is in flight are one.
void FleetModel::Order(State* state) {
  std::sort(state->messages.begin(), state->messages.end(), [](const Message& a, const Message& b) {
    return std::memcmp(&a, &b, sizeof(Message)) < 0;
  });
}

}  // namespace paddock::model
