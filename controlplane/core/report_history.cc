#include "controlplane/core/report_history.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace paddock {
namespace {

size_t DigestOf(const SessionStatus& status) {
  return absl::HashOf(status.generation, static_cast<int>(status.state), status.reason);
}

// Whether an equal report would be looked at for nothing: the placement is reported as desired, or
// its end is ordered and will show as an absence.
bool IsSettled(const PlacementState& placement,
               const absl::flat_hash_map<absl::string_view, int64_t>& reported) {
  const auto found = reported.find(placement.session_id.value());
  return found != reported.end() && found->second == placement.generation;
}

}  // namespace

ReportHistory::Look ReportHistory::Begin(const HeartbeatReport& report, int64_t revision,
                                         absl::Duration now) {
  Look look;
  absl::MutexLock lock(&mutex_);
  const auto found = nodes_.find(report.id);
  // An agent that has registered anew, perhaps because its node had been removed, counts from the
  // beginning, and so may its node.
  if (found == nodes_.end() || found->second.epoch != report.epoch ||
      report.sequence <= found->second.sequence || revision < found->second.revision ||
      now - found->second.whole_look_at >= kWholeLook) {
    look.needed = true;
    look.whole = true;
    for (const SessionStatus& status : report.sessions) look.sessions.push_back(status.session_id);
    return look;
  }
  const Settled& settled = found->second;
  // Each once: those that are to be looked at again, those that are new, those that are gone.
  absl::flat_hash_set<absl::string_view> concerned(settled.unsettled.begin(),
                                                   settled.unsettled.end());
  absl::flat_hash_set<absl::string_view> reported;
  reported.reserve(report.sessions.size());
  size_t known = 0;
  for (const SessionStatus& status : report.sessions) {
    const absl::string_view id = status.session_id.value();
    const bool first = reported.insert(id).second;  // It may be there at two generations.
    const auto before = settled.statuses.find(id);
    if (before != settled.statuses.end() && first) ++known;
    if (before == settled.statuses.end() || before->second != DigestOf(status)) {
      concerned.insert(id);
    }
  }
  if (known < settled.statuses.size()) {
    for (const auto& [id, digest] : settled.statuses) {
      if (!reported.contains(id)) concerned.insert(id);
    }
  }
  for (const absl::string_view id : concerned) look.sessions.push_back(SessionId(std::string(id)));
  look.compared_with = settled.sequence;
  // What the agent hasn't applied is sent again, although it was looked at before.
  look.after_revision = std::min(settled.revision, report.applied_revision);
  look.needed = !look.sessions.empty() || revision > look.after_revision;
  return look;
}

std::vector<SessionStatus> ReportHistory::Concerned(const HeartbeatReport& report, const Look& look,
                                                    const std::vector<PlacementState>& placements) {
  absl::flat_hash_set<absl::string_view> ids;
  for (const SessionId& id : look.sessions) ids.insert(id.value());
  for (const PlacementState& placement : placements) ids.insert(placement.session_id.value());
  std::vector<SessionStatus> statuses;
  for (const SessionStatus& status : report.sessions) {
    if (ids.contains(status.session_id.value())) statuses.push_back(status);
  }
  return statuses;
}

void ReportHistory::End(const HeartbeatReport& report, int64_t revision, const Look& look,
                        const std::vector<PlacementState>& placements, const ReportPlan& plan,
                        absl::Duration now) {
  absl::flat_hash_map<absl::string_view, int64_t> reported;
  for (const SessionStatus& status : report.sessions) {
    reported[status.session_id.value()] = status.generation;
  }
  absl::flat_hash_set<absl::string_view> unsettled;
  for (const SessionTransition& transition : plan.transitions) {
    unsettled.insert(transition.id.value());
  }
  for (const SessionStop& stop : plan.stops) unsettled.insert(stop.session_id.value());
  for (const NodeStore::Absent& restart : plan.restarts) {
    unsettled.insert(restart.session_id.value());
  }
  absl::MutexLock lock(&mutex_);
  Settled& settled = nodes_[report.id];
  if (look.whole) {
    settled.epoch = report.epoch;
    settled.statuses.clear();
    settled.whole_look_at = now;
  } else if (settled.epoch != report.epoch || settled.sequence != look.compared_with) {
    return;
  }
  settled.sequence = report.sequence;
  settled.revision = revision;
  // All that aren't settled were looked at, so those that are named here are all there are.
  settled.unsettled.clear();
  for (const PlacementState& placement : placements) {
    if (!IsSettled(placement, reported)) settled.unsettled.insert(placement.session_id.value());
  }
  // All others of the report are known to be as they were.
  for (const SessionId& id : look.sessions) {
    if (!reported.contains(id.value())) settled.statuses.erase(id.value());
  }
  for (const SessionStatus& status : Concerned(report, look, placements)) {
    if (unsettled.contains(status.session_id.value())) {
      settled.statuses.erase(status.session_id.value());
    } else {
      settled.statuses[status.session_id.value()] = DigestOf(status);
    }
  }
}

}  // namespace paddock
