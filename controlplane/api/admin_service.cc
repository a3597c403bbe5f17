#include "controlplane/api/admin_service.h"

#include "common/status_macros.h"
#include "controlplane/api/admin_convert.h"
#include "controlplane/api/drain_node_stream.h"
#include "controlplane/api/request_convert.h"

namespace paddock {

grpc::ServerUnaryReactor* AdminServiceImpl::ListNodes(grpc::CallbackServerContext* context,
                                                      const v1::ListNodesRequest* request,
                                                      v1::ListNodesResponse* response) {
  return dispatcher_->Unary(
      context, *request, "ListNodes", Access::kAdmin, [=](const Principal&) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(const Page<Node> page, nodes_->List(PageOf(*request)));
        for (const Node& node : page.items) *response->add_nodes() = ToProto(node);
        response->set_next_page_token(page.next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminServiceImpl::GetNode(grpc::CallbackServerContext* context,
                                                    const v1::GetNodeRequest* request,
                                                    v1::Node* response) {
  return dispatcher_->Unary(
      context, *request, "GetNode", Access::kAdmin, [=](const Principal&) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(const Node node, nodes_->Get(NodeId(request->node_id())));
        *response = ToProto(node);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminServiceImpl::CordonNode(grpc::CallbackServerContext* context,
                                                       const v1::CordonNodeRequest* request,
                                                       v1::Node* response) {
  return dispatcher_->Unary(
      context, *request, "CordonNode", Access::kAdmin, [=](const Principal&) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(const Node node, nodes_->Cordon(NodeId(request->node_id())));
        *response = ToProto(node);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminServiceImpl::UncordonNode(grpc::CallbackServerContext* context,
                                                         const v1::UncordonNodeRequest* request,
                                                         v1::Node* response) {
  return dispatcher_->Unary(
      context, *request, "UncordonNode", Access::kAdmin, [=](const Principal&) -> absl::Status {
        PADDOCK_ASSIGN_OR_RETURN(const Node node, nodes_->Uncordon(NodeId(request->node_id())));
        *response = ToProto(node);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::DrainNodeResponse>* AdminServiceImpl::DrainNode(
    grpc::CallbackServerContext* context, const v1::DrainNodeRequest* request) {
  return DrainNodeStream::Start(context, *request, dispatcher_, streams_, timers_, nodes_);
}

grpc::ServerUnaryReactor* AdminServiceImpl::CreateApiKey(grpc::CallbackServerContext* context,
                                                         const v1::CreateApiKeyRequest* request,
                                                         v1::CreateApiKeyResponse* response) {
  return dispatcher_->Unary(
      context, *request, "CreateApiKey", Access::kAdmin,
      [=](const Principal& caller) -> absl::Status {
        const NewApiKey key{
            {request->organization(), request->workspace()}, request->name(), request->admin()};
        PADDOCK_ASSIGN_OR_RETURN(const CreatedApiKey created, api_keys_->Create(caller, key));
        *response->mutable_api_key() = ToProto(created.api_key);
        response->set_secret(created.secret);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AdminServiceImpl::ListApiKeys(grpc::CallbackServerContext* context,
                                                        const v1::ListApiKeysRequest* request,
                                                        v1::ListApiKeysResponse* response) {
  return dispatcher_->Unary(context, *request, "ListApiKeys", Access::kAdmin,
                            [=](const Principal& caller) -> absl::Status {
                              PADDOCK_ASSIGN_OR_RETURN(const Page<ApiKey> page,
                                                       api_keys_->List(caller, PageOf(*request)));
                              for (const ApiKey& key : page.items)
                                *response->add_api_keys() = ToProto(key);
                              response->set_next_page_token(page.next_page_token);
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* AdminServiceImpl::RevokeApiKey(grpc::CallbackServerContext* context,
                                                         const v1::RevokeApiKeyRequest* request,
                                                         v1::ApiKey* response) {
  return dispatcher_->Unary(context, *request, "RevokeApiKey", Access::kAdmin,
                            [=](const Principal& caller) -> absl::Status {
                              PADDOCK_ASSIGN_OR_RETURN(
                                  const ApiKey key,
                                  api_keys_->Revoke(caller, ApiKeyId(request->api_key_id())));
                              *response = ToProto(key);
                              return absl::OkStatus();
                            });
}

}  // namespace paddock
