#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/core/node_store.h"
#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"

namespace paddock {

struct HeartbeatAnswer {
  int64_t revision = 0;
  std::vector<DesiredSession> desired;
  absl::Duration heartbeat_interval;
  absl::Duration fence_after;
  bool superseded = false;
};

// What node agents say to the control plane. Thread-safe. Callers have checked that the peer is the
// node that it says it is.
class NodeRegistry {
 public:
  using HeartbeatCallback = std::function<void(absl::StatusOr<HeartbeatAnswer>)>;

  virtual ~NodeRegistry() = default;

  // Blocks for the database. INVALID_ARGUMENT: malformed id, no address, capacity not positive.
  virtual absl::StatusOr<HeartbeatAnswer> Register(const NodeRegistration& registration) = 0;

  // Doesn't block: heartbeats are written in batches by threads of the registry. `callback` runs
  // once, on one of them. NOT_FOUND: the node must register (again).
  virtual void Heartbeat(HeartbeatReport report, HeartbeatCallback callback) = 0;

  // Blocks for the database. OK: all are durable, so the agent may forget them.
  virtual absl::Status ReportSessions(const NodeId& node, const std::string& epoch,
                                      const std::vector<SessionStatus>& sessions) = 0;
};

// What operators do with nodes. Thread-safe; blocks for the database.
class NodeOperations {
 public:
  virtual ~NodeOperations() = default;

  virtual absl::StatusOr<Node> Get(const NodeId& id) = 0;
  virtual absl::StatusOr<Page<Node>> List(const PageRequest& page) = 0;
  virtual absl::StatusOr<Node> Cordon(const NodeId& id) = 0;
  // Ends a drain, too.
  virtual absl::StatusOr<Node> Uncordon(const NodeId& id) = 0;
  // Persists cordon, drain and deadline; the reconciler of one replica carries it out. Callers show
  // progress by asking every second or so until `remaining` is 0.
  virtual absl::StatusOr<Node> StartDrain(const NodeId& id,
                                          std::optional<absl::Duration> deadline) = 0;
  virtual absl::StatusOr<NodeStore::DrainProgress> GetDrainProgress(const NodeId& id) = 0;
};

}  // namespace paddock
