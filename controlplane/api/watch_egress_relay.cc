#include "controlplane/api/watch_egress_relay.h"

namespace paddock {
namespace {

internal::v1::NodeListEgressEventsRequest ToNode(const v1::WatchEgressRequest& request) {
  internal::v1::NodeListEgressEventsRequest to_node;
  to_node.set_session_id(request.session_id());
  return to_node;
}

}  // namespace

WatchEgressRelay::WatchEgressRelay(grpc::CallbackServerContext* context,
                                   const v1::WatchEgressRequest& request, NodeRouter* router,
                                   DrainGroup* group)
    : NodeStreamRelay(context, router->dispatcher()->Record("WatchEgress"), ToNode(request)),
      group_(group) {}

WatchEgressRelay* WatchEgressRelay::Start(grpc::CallbackServerContext* context,
                                          const v1::WatchEgressRequest& request, NodeRouter* router,
                                          DrainGroup* group) {
  auto* relay = new WatchEgressRelay(context, request, router, group);
  if (group->Add(relay)) {
    relay->Route(router, request.session_id(), RouteTo::kRunningOrEnded);
  } else {
    relay->Refuse(errors::Overloaded("watches", absl::Seconds(5)));
  }
  return relay;
}

void WatchEgressRelay::OnDone() {
  group_->Remove(this);
  NodeStreamRelay::OnDone();
}

void WatchEgressRelay::Drain() { Abandon(errors::ShuttingDown()); }

void WatchEgressRelay::CallNode(NodeStub* stub, grpc::ClientContext* context,
                                const internal::v1::NodeListEgressEventsRequest* request,
                                NodeReader* reader) {
  stub->async()->WatchEgress(context, request, reader);
}

const v1::EgressEvent* WatchEgressRelay::MessageOf(const internal::v1::NodeEgressEvent& response) {
  return &response.event();
}

}  // namespace paddock
