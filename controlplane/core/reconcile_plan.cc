#include "controlplane/core/reconcile_plan.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "controlplane/core/scheduler.h"

namespace paddock {
namespace {

PlacementNeeds NeedsOf(const QueuedSession& session, bool images_can_be_pulled) {
  return {session.requests, session.runtime_class, session.node_labels, session.image_digest,
          images_can_be_pulled};
}

void Charge(const NodeId& id, const ComputeRequests& requests, std::vector<Node>* nodes) {
  for (Node& node : *nodes) {
    if (node.id != id) continue;
    node.used.cpu_millis += requests.cpu_millis;
    node.used.memory_bytes += requests.memory_bytes;
    node.used.disk_bytes += requests.disk_bytes;
    node.used.sessions += 1;
    return;
  }
}

SessionStore::Move MoveOf(const QueuedSession& session, SchedulingResult result) {
  SessionStore::Move move;
  move.id = session.id;
  move.generation = session.generation;
  move.candidates = std::move(result.candidates);
  move.reason = result.reason.empty() ? "NO_ROOM" : result.reason;
  move.message = result.message.empty() ? kWaitsForRoom : result.message;
  return move;
}

SessionTransition Step(const RunningSession& session, SessionPhase to, const char* message) {
  SessionTransition transition;
  transition.id = session.id;
  transition.generation = session.generation;
  transition.to = to;
  transition.reason = "NODE_DRAINED";
  transition.message = message;
  transition.stop_reason = transition.reason;
  return transition;
}

}  // namespace

std::vector<SessionStore::Move> PlanQueue(const std::vector<QueuedSession>& queue,
                                          std::vector<Node> nodes, bool images_can_be_pulled,
                                          uint64_t seed) {
  std::vector<SessionStore::Move> moves;
  std::map<std::string, std::string> held_back;  // Shapes, and why the first of each waits.
  for (const QueuedSession& session : queue) {
    SchedulingResult result;
    const auto first = held_back.find(session.shape);
    if (first != held_back.end()) {
      result.reason = first->second;
      result.message = "Waits behind others with the same needs.";
    } else {
      result = Schedule(nodes, NeedsOf(session, images_can_be_pulled), seed++);
    }
    if (result.candidates.empty()) {
      held_back.emplace(session.shape, result.reason);
      // Only the reason counts as news, messages with numbers would change at every turn; but for
      // the first that says more.
      if (session.reason == result.reason && session.message != kWaitsForRoom) continue;
    } else {
      Charge(result.candidates.front(), session.requests, &nodes);
    }
    moves.push_back(MoveOf(session, std::move(result)));
  }
  return moves;
}

int CountDisplaced(const std::vector<QueuedSession>& queue) {
  return static_cast<int>(
      std::count_if(queue.begin(), queue.end(),
                    [](const QueuedSession& session) { return session.generation > 0; }));
}

std::vector<SessionTransition> PlanDrain(const Node& node,
                                         const std::vector<RunningSession>& sessions, int displaced,
                                         absl::Time now) {
  std::vector<SessionTransition> plan;
  const bool overdue = node.drain_deadline.has_value() && *node.drain_deadline <= now;
  int moving = overdue ? 0 : displaced;
  for (const RunningSession& session : sessions) {
    if (session.phase == SessionPhase::kRescheduling) ++moving;
  }
  for (const RunningSession& session : sessions) {
    if (session.phase != SessionPhase::kStarting && session.phase != SessionPhase::kRunning) {
      continue;
    }
    if (session.on_node_loss == OnNodeLoss::kReschedule) {
      if (moving >= kMaxMoving) continue;
      ++moving;
      plan.push_back(
          Step(session, SessionPhase::kRescheduling, "Its node is drained; it moves to another."));
    } else if (overdue) {
      plan.push_back(
          Step(session, SessionPhase::kStopping, "Its node was drained and the deadline is over."));
    }
  }
  return plan;
}

std::vector<SessionTransition> PlanNeverStarted(const std::vector<RunningSession>& sessions) {
  std::vector<SessionTransition> plan;
  for (const RunningSession& session : sessions) {
    // A later generation is started from the files of the one before.
    if (session.on_node_loss != OnNodeLoss::kKeep || session.phase != SessionPhase::kStarting ||
        session.generation != 1) {
      continue;
    }
    SessionTransition transition;
    transition.id = session.id;
    transition.generation = session.generation;
    transition.to = SessionPhase::kTerminated;
    transition.only_from = SessionPhase::kStarting;
    transition.reason = "NODE_LOST";
    transition.message = "Its node fell silent before it had started; nothing of it is lost.";
    transition.stop_reason = transition.reason;
    plan.push_back(std::move(transition));
  }
  return plan;
}

SessionTransition PlanStuck(const StuckSession& session) {
  SessionTransition transition;
  transition.id = session.id;
  transition.generation = session.generation;
  transition.to = SessionPhase::kTerminated;
  switch (session.phase) {
    case SessionPhase::kPending:
      transition.reason = session.reason.empty() ? "NO_ROOM" : session.reason;
      transition.message = "No node took it in time.";
      break;
    case SessionPhase::kStarting:
      transition.reason = "START_TIMED_OUT";
      transition.message = "It didn't start in time.";
      transition.stop_reason = transition.reason;
      break;
    case SessionPhase::kStopping:
      // Why it was stopped is what users want to know.
      transition.reason = session.reason.empty() ? "STOP_NOT_CONFIRMED" : session.reason;
      transition.message =
          "Its node didn't confirm the container's end in time; it is removed when the node "
          "answers.";
      break;
    case SessionPhase::kRescheduling:
      transition.reason = session.reason.empty() ? "NODE_LOST" : session.reason;
      transition.message = "The node that it was to leave didn't confirm its end in time.";
      break;
    case SessionPhase::kRunning:
    case SessionPhase::kTerminated:
      break;
  }
  return transition;
}

absl::Duration BoundOf(SessionPhase phase, const Settings& settings) {
  switch (phase) {
    case SessionPhase::kPending:
      return settings.pending_timeout;
    case SessionPhase::kStarting:
      return settings.start_timeout;
    case SessionPhase::kStopping:
      return settings.stop_timeout;
    case SessionPhase::kRescheduling:
      // Sooner by itself: the old node confirms, is lost, or is removed.
      return settings.pending_timeout;
    case SessionPhase::kRunning:
    case SessionPhase::kTerminated:
      return absl::InfiniteDuration();
  }
  return absl::InfiniteDuration();
}

std::vector<SessionStore::Move> PlanLost(const NodeId& lost, int64_t counter,
                                         const std::vector<RunningSession>& sessions,
                                         std::vector<Node> nodes, bool images_can_be_pulled,
                                         uint64_t seed) {
  std::vector<SessionStore::Move> moves;
  for (const RunningSession& session : sessions) {
    if (session.on_node_loss != OnNodeLoss::kReschedule) continue;
    SchedulingResult result = Schedule(nodes, NeedsOf(session.needs, images_can_be_pulled), seed++);
    if (!result.candidates.empty()) {
      Charge(result.candidates.front(), session.needs.requests, &nodes);
    }
    SessionStore::Move move = MoveOf(session.needs, std::move(result));
    move.lost_node_counter = counter;
    if (move.candidates.empty()) {
      move.reason = "NODE_LOST";
      move.message = "Its node was lost; no other has room.";
    }
    moves.push_back(std::move(move));
  }
  return moves;
}

}  // namespace paddock
