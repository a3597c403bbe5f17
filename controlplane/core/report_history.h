#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controlplane/core/node_store.h"
#include "controlplane/core/report_plan.h"

namespace paddock {

// Remembers, for each node, which parts of its last report led to nothing, so that the next one is
// looked at only where it, or what is desired of the node, has changed: a heartbeat then costs what
// has happened and not what runs. Now and then everything is looked at again all the same. Losing
// this memory costs one such look. Thread-safe.
class ReportHistory {
 public:
  // How long parts that don't change are taken for settled.
  static constexpr absl::Duration kWholeLook = absl::Minutes(1);

  // What of a report has to be looked at.
  struct Look {
    bool needed = false;
    bool whole = false;
    // Placements whose desired state changed above this revision, …
    int64_t after_revision = 0;
    // … and those of these sessions, whose status is new or which are no longer reported.
    std::vector<SessionId> sessions;
    // Of the report that it was compared with.
    int64_t compared_with = 0;
  };

  // `revision`: the node's as it was read with the heartbeat. `now` is monotonic.
  Look Begin(const HeartbeatReport& report, int64_t revision, absl::Duration now);

  // The statuses of `report` that belong to a look: those of its sessions, and of `placements`.
  static std::vector<SessionStatus> Concerned(const HeartbeatReport& report, const Look& look,
                                              const std::vector<PlacementState>& placements);

  // `plan` was made of `placements` and has been carried out. Nothing unless the report with which
  // it was compared still is the last one that is remembered, or the look was a whole one.
  void End(const HeartbeatReport& report, int64_t revision, const Look& look,
           const std::vector<PlacementState>& placements, const ReportPlan& plan,
           absl::Duration now);

 private:
  // Of one node.
  struct Settled {
    std::string epoch;
    int64_t sequence = 0;
    // Every placement up to here is as desired, but for those of `unsettled`, and of sessions that
    // are reported and that `statuses` lacks.
    int64_t revision = 0;
    absl::flat_hash_set<std::string> unsettled;
    // A digest of each session's status that led to nothing.
    absl::flat_hash_map<std::string, size_t> statuses;
    absl::Duration whole_look_at;
  };

  absl::Mutex mutex_;
  std::map<NodeId, Settled> nodes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
