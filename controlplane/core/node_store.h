#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// What an agent says at its start.
struct NodeRegistration {
  NodeId id;
  std::string name;
  std::string address;
  std::string epoch;
  std::string boot_id;
  NodeResources capacity;
  std::map<std::string, std::string> labels;
  std::vector<std::string> runtime_classes;
  std::vector<std::string> images;
  std::string base_image;
  std::map<std::string, std::string> details;
  std::vector<SessionStatus> sessions;
};

// What an agent says every heartbeat_interval.
struct HeartbeatReport {
  NodeId id;
  std::string epoch;
  int64_t sequence = 0;
  int64_t applied_revision = 0;
  std::vector<SessionStatus> sessions;  // All of the node's.
  std::string not_schedulable_reason;
  std::vector<std::string> images;
};

// One entry of a node's desired state.
struct DesiredSession {
  int64_t revision = 0;
  std::variant<SessionSpec, SessionStop> desired;
};

struct HeartbeatOutcome {
  enum class Kind {
    kWritten,
    kOld,         // Sequence not above the last one: dropped.
    kSuperseded,  // A newer epoch has registered.
    kUnknown,     // The node has never registered, or was removed.
  };
  Kind kind = Kind::kUnknown;
  int64_t revision = 0;  // The node's.
};

// A placement that isn't released, with what is known of its session.
struct PlacementState {
  SessionId session_id;
  int64_t generation = 0;
  int64_t node_revision = 0;
  bool stop = false;  // Its end was ordered.
  std::string stop_reason;
  absl::Duration age;
  OnNodeLoss on_node_loss = OnNodeLoss::kKeep;
  // Of the session, while it exists and is at this generation.
  std::optional<SessionPhase> phase;
  std::string reason;
};

// Nodes, their heartbeats and what they should run; durable. See store_types.h.
class NodeStore {
 public:
  virtual ~NodeStore() = default;

  struct Registered {
    bool superseded = false;  // A newer epoch has registered before; nothing was changed.
    bool rebooted = false;    // boot_id differs from the one before.
    int64_t revision = 0;
  };
  // Inserts or replaces what the node says about itself; keeps cordon, charges, placements.
  virtual absl::StatusOr<Registered> Register(const NodeRegistration& registration) = 0;

  // One transaction for all; outcomes in the same order.
  virtual absl::StatusOr<std::vector<HeartbeatOutcome>> WriteHeartbeats(
      const std::vector<const HeartbeatReport*>& heartbeats) = 0;

  struct Images {
    NodeId id;
    std::vector<std::string> images;
  };
  // The images that the nodes have now; one transaction.
  virtual absl::Status WriteImages(const std::vector<Images>& nodes) = 0;

  // Entries above `after_revision`, by revision.
  virtual absl::StatusOr<std::vector<DesiredSession>> Desired(const NodeId& id,
                                                              int64_t after_revision) = 0;

  // Some placements of one node, none of them released.
  struct PlacementQuery {
    NodeId id;
    std::string epoch;
    // Those of sessions whose desired state changed later than that, …
    int64_t after_revision = 0;
    // … and of these.
    std::vector<SessionId> sessions;
  };
  // In the order of the queries, for many nodes at once. nullopt: `epoch` isn't the node's newest,
  // or the node is unknown.
  virtual absl::StatusOr<std::vector<std::optional<std::vector<PlacementState>>>> Placements(
      const std::vector<PlacementQuery>& queries) = 0;

  struct Absent {
    SessionId session_id;
    int64_t generation = 0;
  };
  // Releases the charges of placements whose end was ordered and that `epoch`, still the node's
  // newest, has reported absent; moves their STOPPING sessions to TERMINATED. Releasing again
  // changes nothing.
  virtual absl::Status ReleaseAbsent(const NodeId& id, const std::string& epoch,
                                     const std::vector<Absent>& absent) = 0;

  // After a reboot of the node, as `epoch`, still its newest, reports: the session is to run there
  // again, from its volume, with the next generation, which takes over the charge. The order goes
  // out with the node's desired state. False: it is no longer at that generation, or was stopped.
  virtual absl::StatusOr<bool> RestartSession(const NodeId& id, const std::string& epoch,
                                              const Absent& session, const std::string& reason,
                                              const std::string& message) = 0;

  virtual absl::StatusOr<Node> Get(const NodeId& id) = 0;
  virtual absl::StatusOr<StorePage<Node>> List(const PageQuery& page) = 0;
  // Every node, for the scheduler's view.
  virtual absl::StatusOr<std::vector<Node>> ListAll() = 0;

  virtual absl::StatusOr<Node> SetCordoned(const NodeId& id, bool cordoned) = 0;
  // Cordons and marks as draining. `deadline` nullopt: KEEP sessions are waited for without end.
  virtual absl::StatusOr<Node> SetDraining(const NodeId& id,
                                           std::optional<absl::Duration> deadline) = 0;

  struct DrainProgress {
    int64_t remaining = 0;
    int64_t moved = 0;
    int64_t ended = 0;
    std::vector<SessionId> remaining_ids;  // The first few.
    bool draining = false;
  };
  virtual absl::StatusOr<DrainProgress> GetDrainProgress(const NodeId& id) = 0;

  // The machine is gone for good, as an operator or Kubernetes says: its KEEP sessions end as
  // TERMINATED with NODE_LOST, RESCHEDULE ones wait for another node, all charges are released, and
  // the node is removed. Its agent, should it come back, is unknown and must register anew.
  virtual absl::Status MarkGone(const NodeId& id) = 0;
  // The same, if its heartbeat counter still is `counter`. False: it beats again, or is unknown.
  virtual absl::StatusOr<bool> MarkSilentGone(const NodeId& id, int64_t counter) = 0;
};

}  // namespace paddock
