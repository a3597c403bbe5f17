#include "controlplane/core/report_plan.h"

#include <map>
#include <set>
#include <utility>

#include "controlplane/core/status_rules.h"

namespace paddock {
namespace {

using Key = std::pair<SessionId, int64_t>;

bool IsLive(const PlacementState& placement) {
  return placement.phase == SessionPhase::kStarting || placement.phase == SessionPhase::kRunning;
}

// Whether the session says already what the transition would make it say.
bool IsNews(const PlacementState& placement, const SessionTransition& transition) {
  return placement.phase != transition.to || placement.reason != transition.reason;
}

void PlanReported(const SessionStatus& status, const PlacementState& placement, ReportPlan* plan) {
  // Its stop is in the node's desired state; absence will tell.
  if (placement.stop || !IsLive(placement)) return;
  if (status.state == SessionPhase::kTerminated && status.reason == kReasonNodeRebooted &&
      placement.on_node_loss == OnNodeLoss::kKeep) {
    plan->restarts.push_back({status.session_id, status.generation});
    return;
  }
  std::optional<SessionTransition> transition = TransitionFor(status, placement.on_node_loss);
  if (transition.has_value() && IsNews(placement, *transition)) {
    plan->transitions.push_back(*std::move(transition));
  }
}

void PlanMissing(const PlacementState& placement, int64_t applied_revision, ReportPlan* plan) {
  if (placement.node_revision > applied_revision) return;
  if (placement.stop) {
    plan->absent.push_back({placement.session_id, placement.generation});
    return;
  }
  if (placement.age < kMissingGrace || !IsLive(placement)) return;
  SessionTransition lost;
  lost.id = placement.session_id;
  lost.generation = placement.generation;
  lost.to = SessionPhase::kTerminated;
  lost.reason = "CONTAINER_LOST";
  lost.message = "Its node no longer knows the container.";
  lost.stop_reason = lost.reason;
  plan->transitions.push_back(std::move(lost));
}

// What is to run there and isn't reported yet.
std::set<Key> RunsToCome(const std::vector<PlacementState>& placements,
                         const std::set<Key>& reported) {
  std::set<Key> coming;
  for (const PlacementState& placement : placements) {
    const Key key(placement.session_id, placement.generation);
    if (!placement.stop && reported.count(key) == 0) coming.insert(key);
  }
  return coming;
}

}  // namespace

ReportPlan PlanReport(const std::vector<PlacementState>& placements,
                      const std::vector<SessionStatus>& sessions, int64_t applied_revision,
                      ReportKind kind) {
  std::map<Key, const PlacementState*> by_key;
  for (const PlacementState& placement : placements) {
    by_key[{placement.session_id, placement.generation}] = &placement;
  }
  ReportPlan plan;
  std::set<Key> reported;
  for (const SessionStatus& status : sessions) {
    reported.insert({status.session_id, status.generation});
  }
  const std::set<Key> coming = RunsToCome(placements, reported);
  for (const SessionStatus& status : sessions) {
    const Key key(status.session_id, status.generation);
    auto it = by_key.find(key);
    if (it == by_key.end()) {
      // The next generation takes its place there, and may start from its files: a stop would take
      // them away.
      auto next = coming.upper_bound(key);
      if (next != coming.end() && next->first == status.session_id) continue;
      plan.stops.push_back({status.session_id, status.generation, "STALE_GENERATION"});
    } else {
      PlanReported(status, *it->second, &plan);
    }
  }
  if (kind == ReportKind::kComplete) {
    for (const PlacementState& placement : placements) {
      if (reported.count({placement.session_id, placement.generation}) == 0) {
        PlanMissing(placement, applied_revision, &plan);
      }
    }
  }
  return plan;
}

}  // namespace paddock
