#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/tls.h"
#include "controlplane/core/node_client.h"
#include "paddock/internal/v1/node.grpc.pb.h"

namespace paddock {

// One connection to each node agent, made when it is first needed and made again by gRPC when it
// breaks. The agent must show a certificate with its own node's role, wherever its address leads.
// Thread-safe.
class NodeChannels {
 public:
  using Stub = internal::v1::NodeAgent::Stub;

  explicit NodeChannels(std::shared_ptr<TlsIdentity> identity, Clock* clock = Clock::Real());

  // Never blocks. Calls fail with UNAVAILABLE as soon as the agent can't be reached.
  std::shared_ptr<Stub> For(const NodeTarget& node);

 private:
  struct Entry {
    std::string address;
    std::shared_ptr<Stub> stub;
    absl::Duration used_at;  // Monotonic.
  };

  std::shared_ptr<Stub> Connect(const NodeTarget& node) const;
  void RemoveUnused(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<TlsIdentity> identity_;
  Clock* const clock_;
  absl::Mutex mutex_;
  absl::flat_hash_map<NodeId, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
