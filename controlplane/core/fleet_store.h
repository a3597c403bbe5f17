#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_store.h"

namespace paddock {

// A session that waits for a node: PENDING, or RESCHEDULING with nothing of it left elsewhere.
struct QueuedSession {
  SessionId id;
  int64_t generation = 0;
  std::string reason;
  std::string message;
  ComputeRequests requests;
  std::string runtime_class;
  std::map<std::string, std::string> node_labels;
  std::string image_digest;
  std::string shape;
  absl::Duration waiting;
};

// A session that stays in a state for longer than it should.
struct StuckSession {
  SessionId id;
  int64_t generation = 0;
  SessionPhase phase = SessionPhase::kStarting;
  std::string reason;
};

// A session with a run on one node.
struct RunningSession {
  SessionId id;
  int64_t generation = 0;
  SessionPhase phase = SessionPhase::kRunning;
  OnNodeLoss on_node_loss = OnNodeLoss::kKeep;
  QueuedSession needs;
};

// What the reconciler reads and writes. See store_types.h.
class FleetStore {
 public:
  virtual ~FleetStore() = default;

  // Whether `holder` has the task's lease for `ttl` from now: a free, expired or own one is taken.
  virtual absl::StatusOr<bool> TakeLease(const std::string& name, const std::string& holder,
                                         absl::Duration ttl) = 0;
  // Of its own; for a clean end.
  virtual absl::Status ReleaseLease(const std::string& name, const std::string& holder) = 0;

  // The head of the queue, oldest first.
  virtual absl::StatusOr<std::vector<QueuedSession>> Queue(int limit) = 0;

  // Sessions in `phase` for longer than `age`; without KEEP sessions that are started again from
  // their files, which are waited for as long as their node takes.
  virtual absl::StatusOr<std::vector<StuckSession>> Stuck(SessionPhase phase, absl::Duration age,
                                                          int limit) = 0;

  // Sessions whose current placement is on `node` and runs there, or is being ended so that they
  // can go elsewhere; RESCHEDULE ones first.
  virtual absl::StatusOr<std::vector<RunningSession>> RunsOn(const NodeId& node, int limit) = 0;

  // Stops that were ordered more than `age` ago on nodes that answer, and aren't confirmed.
  virtual absl::StatusOr<std::vector<StopOrder>> UnconfirmedStops(absl::Duration age,
                                                                  int limit) = 0;

  // Numbers of sessions that run on a node, or are being ended there so that they can go elsewhere,
  // of those of `nodes` that have any.
  virtual absl::StatusOr<std::map<NodeId, int64_t>> RunCounts(const std::vector<NodeId>& nodes) = 0;

  // Removes what has expired: request ids after 48 h, changes after a minute, released placements
  // after an hour, leases. In batches; answers the number of rows.
  virtual absl::StatusOr<int64_t> Expire(int limit) = 0;
};

}  // namespace paddock
