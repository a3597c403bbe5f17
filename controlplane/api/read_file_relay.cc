#include "controlplane/api/read_file_relay.h"

#include <utility>

namespace paddock {

ReadFileRelay* ReadFileRelay::Start(grpc::CallbackServerContext* context,
                                    const v1::ReadFileRequest& request, NodeRouter* router) {
  internal::v1::NodeReadFileRequest to_node;
  *to_node.mutable_read() = request;
  auto* relay =
      new ReadFileRelay(context, router->dispatcher()->Record("ReadFile"), std::move(to_node));
  relay->Route(router, request.session_id(), RouteTo::kRunning);
  return relay;
}

void ReadFileRelay::CallNode(NodeStub* stub, grpc::ClientContext* context,
                             const internal::v1::NodeReadFileRequest* request, NodeReader* reader) {
  stub->async()->ReadFile(context, request, reader);
}

const v1::ReadFileResponse* ReadFileRelay::MessageOf(const v1::ReadFileResponse& response) {
  return &response;
}

}  // namespace paddock
