#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/core/node_client.h"
#include "controlplane/rpc/node_channels.h"

namespace paddock {

// NodeClient over gRPC. Thread-safe. `channels` must outlive it.
class RpcNodeClient final : public NodeClient {
 public:
  explicit RpcNodeClient(NodeChannels* channels) : channels_(channels) {}
  // As Shutdown.
  ~RpcNodeClient() override { Shutdown(); }

  void PutSession(const NodeTarget& node, const SessionSpec& spec, int64_t revision,
                  absl::Duration deadline, PutCallback callback) override;
  void StopSession(const NodeTarget& node, const SessionStop& stop, absl::Duration deadline,
                   StopCallback callback) override;
  std::shared_ptr<NodeCall> BuildLayer(const NodeTarget& node, const LayerOrder& order,
                                       absl::Duration deadline, LineCallback on_line,
                                       BuildCallback callback) override;

  // Cancels the calls under way and waits until their callbacks have returned. Later calls are
  // CANCELLED at once.
  void Shutdown();

 private:
  class BuildCall;

  // False when shut down.
  bool Begin(grpc::ClientContext* call);
  void End(grpc::ClientContext* call);

  NodeChannels* const channels_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
