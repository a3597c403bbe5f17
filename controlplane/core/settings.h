#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/core/resources.h"

namespace paddock {

// What an operator sets for the whole control plane; the same on every replica.
struct Settings {
  absl::Duration heartbeat_interval = absl::Seconds(2);
  // Silent for longer: no new placements, sessions show node_reachable false.
  absl::Duration not_ready_after = absl::Seconds(10);
  // The node's gateway process kills its RESCHEDULE sessions after that silence.
  absl::Duration fence_after = absl::Seconds(45);
  // RESCHEDULE sessions are placed elsewhere. Must be above fence_after.
  absl::Duration lost_after = absl::Seconds(60);

  // Deadline of PutSession; a start that wasn't reported by then is left to heartbeats.
  absl::Duration put_deadline = absl::Seconds(60);
  absl::Duration stop_deadline = absl::Seconds(30);
  // The bounds of STARTING, STOPPING and PENDING; what is over ends TERMINATED with the reason.
  absl::Duration start_timeout = absl::Minutes(10);
  absl::Duration stop_timeout = absl::Minutes(1);
  absl::Duration pending_timeout = absl::Hours(24);

  absl::Duration default_wait = absl::Seconds(10);
  absl::Duration max_wait = absl::Minutes(10);

  ComputeLimits default_limits{2000, int64_t{2} << 30, int64_t{10} << 30, 1024};
  // Small, so that many idle sessions share a node; limits bound what each may take.
  ComputeRequests default_requests{1, int64_t{16} << 20, int64_t{32} << 20};

  // How long the build of a layer is its replica's without a sign of life; another takes over then.
  absl::Duration build_lease = absl::Seconds(15);
  // The bounds of the build of one layer.
  absl::Duration build_timeout = absl::Minutes(30);
  ComputeLimits build_limits{4000, int64_t{4} << 30, int64_t{20} << 30, 4096};
  // At once; nodes have their own bound as well.
  int max_builds_per_node = 2;

  // Nodes can fetch an image that they lack; otherwise sessions stay on the nodes that have it.
  bool images_can_be_pulled = false;

  // INVALID_ARGUMENT naming the setting: a time that isn't positive, not_ready_after at most
  // heartbeat_interval, lost_after at most fence_after.
  absl::Status Validate() const;
};

}  // namespace paddock
