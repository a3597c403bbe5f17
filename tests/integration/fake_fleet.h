#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/core/node_client.h"
#include "controlplane/core/nodes.h"

namespace paddock {

// Node agents that keep the protocol with pretended containers: persist tombstones, refuse what
// isn't newer, report all that they have. Records whether a session ever ran on two nodes at once.
// Thread-safe.
class FakeFleet : public NodeClient {
 public:
  enum class Behaviour {
    kRun,
    kRefuse,      // No room.
    kFail,        // The start fails.
    kHold,        // Answers when Release is called.
    kDeaf,        // Calls don't get through, heartbeats do.
    kUnreachable  // Neither calls nor heartbeats get through.
  };

  void PutSession(const NodeTarget& node, const SessionSpec& spec, int64_t revision,
                  absl::Duration deadline, PutCallback callback) override;
  void StopSession(const NodeTarget& node, const SessionStop& stop, absl::Duration deadline,
                   StopCallback callback) override;
  // At once, wherever the node isn't unreachable; the digest is made of the key.
  std::shared_ptr<NodeCall> BuildLayer(const NodeTarget& node, const LayerOrder& order,
                                       absl::Duration deadline, LineCallback on_line,
                                       BuildCallback callback) override;

  // Registers with `registry`, with nothing running unless it was known before.
  absl::StatusOr<HeartbeatAnswer> Join(NodeRegistry* registry, NodeRegistration registration);
  // One heartbeat, and what it answers is applied. UNAVAILABLE while unreachable.
  absl::Status Beat(NodeRegistry* registry, const NodeId& node);
  void Set(const NodeId& node, Behaviour behaviour);
  // What kHold has kept.
  void Release(const NodeId& node);
  // The machine restarts: every container is gone, KEEP volumes are there; the agent joins anew.
  absl::StatusOr<HeartbeatAnswer> Reboot(NodeRegistry* registry, const NodeId& node);
  // Kills all containers of the node, as its gateway process does at fence_after.
  void Fence(const NodeId& node);

  // Sessions that run there.
  std::vector<SessionId> RunningOn(const NodeId& node) const;
  int64_t GenerationOn(const NodeId& node, const SessionId& session) const;
  bool EverTwice() const;

 private:
  // Whether calls get through to it.
  static bool Hears(Behaviour behaviour) {
    return behaviour != Behaviour::kUnreachable && behaviour != Behaviour::kDeaf;
  }

  struct Container {
    SessionSpec spec;
    SessionStatus status;
  };
  struct Agent {
    NodeRegistration registration;
    Behaviour behaviour = Behaviour::kRun;
    int64_t sequence = 0;
    int64_t applied = 0;
    int epochs = 1;
    std::map<SessionId, Container> containers;
    std::map<SessionId, int64_t> tombstones;
    std::vector<std::function<void()>> held;
  };

  absl::StatusOr<SessionStatus> Run(Agent& agent, const SessionSpec& spec)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Stop(Agent& agent, const SessionStop& stop) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyDesired(Agent& agent, const HeartbeatAnswer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckTwice(const SessionId& session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<SessionStatus> Statuses(const Agent& agent) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<NodeId, Agent> agents_ ABSL_GUARDED_BY(mutex_);
  bool twice_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock
