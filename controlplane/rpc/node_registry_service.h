#pragma once

#include "common/rpc_metrics.h"
#include "common/thread_pool.h"
#include "controlplane/core/nodes.h"
#include "paddock/internal/v1/node.grpc.pb.h"

namespace paddock {

// Hands what node agents say to the registry, after checking that the peer's certificate is the
// node's that the message names. Thread-safe. Registrations and reports block in `pool`, which
// nothing else uses; heartbeats block nothing. Arguments must outlive it.
class NodeRegistryService final : public internal::v1::NodeRegistry::CallbackService {
 public:
  NodeRegistryService(NodeRegistry* registry, ThreadPool* pool, RpcMetrics* metrics)
      : registry_(registry), pool_(pool), metrics_(metrics) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const internal::v1::RegisterRequest* request,
                                     internal::v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const internal::v1::HeartbeatRequest* request,
                                      internal::v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* ReportSessions(grpc::CallbackServerContext* context,
                                           const internal::v1::ReportSessionsRequest* request,
                                           internal::v1::ReportSessionsResponse* response) override;

 private:
  NodeRegistry* const registry_;
  ThreadPool* const pool_;
  RpcMetrics* const metrics_;
};

}  // namespace paddock
