#pragma once

#include "controlplane/api/drain_group.h"
#include "controlplane/api/node_stream_relay.h"
#include "paddock/internal/v1/node.pb.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

// One WatchEgress call between a client and an agent. It may go on for as long as the session does,
// so the server's end ends it.
class WatchEgressRelay final
    : public NodeStreamRelay<internal::v1::NodeListEgressEventsRequest,
                             internal::v1::NodeEgressEvent, v1::EgressEvent>,
      public Drainable {
 public:
  static WatchEgressRelay* Start(grpc::CallbackServerContext* context,
                                 const v1::WatchEgressRequest& request, NodeRouter* router,
                                 DrainGroup* group);

  void OnDone() override;
  void Drain() override;

 private:
  WatchEgressRelay(grpc::CallbackServerContext* context, const v1::WatchEgressRequest& request,
                   NodeRouter* router, DrainGroup* group);

  void CallNode(NodeStub* stub, grpc::ClientContext* context,
                const internal::v1::NodeListEgressEventsRequest* request,
                NodeReader* reader) override;
  const v1::EgressEvent* MessageOf(const internal::v1::NodeEgressEvent& response) override;

  DrainGroup* const group_;
};

}  // namespace paddock
