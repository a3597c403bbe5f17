#pragma once

#include "controlplane/api/node_stream_relay.h"
#include "paddock/internal/v1/node.pb.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

// One ReadFile call between a client and an agent.
class ReadFileRelay final : public NodeStreamRelay<internal::v1::NodeReadFileRequest,
                                                   v1::ReadFileResponse, v1::ReadFileResponse> {
 public:
  static ReadFileRelay* Start(grpc::CallbackServerContext* context,
                              const v1::ReadFileRequest& request, NodeRouter* router);

 private:
  using NodeStreamRelay::NodeStreamRelay;

  void CallNode(NodeStub* stub, grpc::ClientContext* context,
                const internal::v1::NodeReadFileRequest* request, NodeReader* reader) override;
  const v1::ReadFileResponse* MessageOf(const v1::ReadFileResponse& response) override;
};

}  // namespace paddock
