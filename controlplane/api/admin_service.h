#pragma once

#include "common/timer_queue.h"
#include "controlplane/api/dispatcher.h"
#include "controlplane/api/drain_group.h"
#include "controlplane/core/api_key_operations.h"
#include "controlplane/core/nodes.h"
#include "paddock/v1/admin.grpc.pb.h"

namespace paddock {

// What operators do, over gRPC; every method needs an admin key. Thread-safe; arguments must
// outlive it.
class AdminServiceImpl final : public v1::AdminService::CallbackService {
 public:
  AdminServiceImpl(Dispatcher* dispatcher, DrainGroup* streams, TimerQueue* timers,
                   NodeOperations* nodes, ApiKeyOperations* api_keys)
      : dispatcher_(dispatcher),
        streams_(streams),
        timers_(timers),
        nodes_(nodes),
        api_keys_(api_keys) {}

  grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context,
                                      const v1::ListNodesRequest* request,
                                      v1::ListNodesResponse* response) override;
  grpc::ServerUnaryReactor* GetNode(grpc::CallbackServerContext* context,
                                    const v1::GetNodeRequest* request, v1::Node* response) override;
  grpc::ServerUnaryReactor* CordonNode(grpc::CallbackServerContext* context,
                                       const v1::CordonNodeRequest* request,
                                       v1::Node* response) override;
  grpc::ServerUnaryReactor* UncordonNode(grpc::CallbackServerContext* context,
                                         const v1::UncordonNodeRequest* request,
                                         v1::Node* response) override;
  grpc::ServerWriteReactor<v1::DrainNodeResponse>* DrainNode(
      grpc::CallbackServerContext* context, const v1::DrainNodeRequest* request) override;
  grpc::ServerUnaryReactor* CreateApiKey(grpc::CallbackServerContext* context,
                                         const v1::CreateApiKeyRequest* request,
                                         v1::CreateApiKeyResponse* response) override;
  grpc::ServerUnaryReactor* ListApiKeys(grpc::CallbackServerContext* context,
                                        const v1::ListApiKeysRequest* request,
                                        v1::ListApiKeysResponse* response) override;
  grpc::ServerUnaryReactor* RevokeApiKey(grpc::CallbackServerContext* context,
                                         const v1::RevokeApiKeyRequest* request,
                                         v1::ApiKey* response) override;

 private:
  Dispatcher* const dispatcher_;
  DrainGroup* const streams_;
  TimerQueue* const timers_;
  NodeOperations* const nodes_;
  ApiKeyOperations* const api_keys_;
};

}  // namespace paddock
