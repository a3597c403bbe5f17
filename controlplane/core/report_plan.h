#pragma once

#include <vector>

#include "controlplane/core/node_store.h"
#include "controlplane/core/session_store.h"

namespace paddock {

// What to do about a node's report.
struct ReportPlan {
  std::vector<SessionTransition> transitions;
  // Placements whose end was ordered and that are gone.
  std::vector<NodeStore::Absent> absent;
  // KEEP sessions to be started again after a reboot.
  std::vector<NodeStore::Absent> restarts;
  // What runs there and shouldn't, by generation.
  std::vector<SessionStop> stops;
};

// Whether a report names all sessions of the node, so that absence says something.
enum class ReportKind { kComplete, kChangesOnly };

// How long a placement may be missing from complete reports before its container counts as lost:
// longer than any agent takes between persisting an order and listing it.
inline constexpr absl::Duration kMissingGrace = absl::Seconds(30);

// `placements`: the node's that aren't released (of the reported sessions at least). Absence counts
// only where `applied_revision`, of the newest epoch, is at least the placement's. Pure.
ReportPlan PlanReport(const std::vector<PlacementState>& placements,
                      const std::vector<SessionStatus>& sessions, int64_t applied_revision,
                      ReportKind kind);

}  // namespace paddock
