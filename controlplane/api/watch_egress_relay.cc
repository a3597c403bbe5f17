#include "controlplane/api/watch_egress_relay.h"

#include <utility>

#include "common/errors.h"

namespace paddock {

WatchEgressRelay* WatchEgressRelay::Start(grpc::CallbackServerContext* context,
                                          const v1::WatchEgressRequest& request, NodeRouter* router,
                                          DrainGroup* group) {
  auto* relay = new WatchEgressRelay(context, router, group);
  relay->request_.set_session_id(request.session_id());
  if (!group->Add(relay)) {
    relay->OnRouted(errors::Overloaded("watches", absl::Seconds(5)));
    return relay;
  }
  router->Route(context, request.session_id(), RouteTo::kRunningOrEnded,
                [relay](absl::StatusOr<NodeRoute> route) { relay->OnRouted(std::move(route)); });
  return relay;
}

WatchEgressRelay::WatchEgressRelay(grpc::CallbackServerContext* context, NodeRouter* router,
                                   DrainGroup* group)
    : context_(context),
      group_(group),
      record_(router->dispatcher()->Record("WatchEgress")),
      upstream_(this) {}

void WatchEgressRelay::OnRouted(absl::StatusOr<NodeRoute> route) {
  absl::MutexLock lock(&mutex_);
  routing_ = false;
  if (ending_.has_value()) return FinishIfIdle();  // Cancelled meanwhile.
  if (!route.ok()) return End(route.status());
  Connect(*std::move(route));
}

void WatchEgressRelay::Connect(NodeRoute route) {
  route_ = std::move(route);
  client_context_.set_deadline(context_->deadline());
  request_.set_generation(route_.generation);
  references_.fetch_add(1);
  upstream_active_ = true;
  upstream_open_ = true;
  route_.stub->async()->WatchEgress(&client_context_, &request_, &upstream_);
  upstream_.AddHold();
  upstream_.StartRead(&response_);
  upstream_.StartCall();
}

void WatchEgressRelay::OnUpstreamReadDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  if (!ok) return CloseUpstream();
  if (ending_.has_value()) return upstream_.StartRead(&response_);
  writing_ = true;
  StartWrite(&response_.event());
}

void WatchEgressRelay::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) client_context_.TryCancel();
  if (upstream_open_) upstream_.StartRead(&response_);
  FinishIfIdle();
}

void WatchEgressRelay::OnCancel() { Abandon(errors::Cancelled()); }
void WatchEgressRelay::Drain() { Abandon(errors::ShuttingDown()); }

void WatchEgressRelay::Abandon(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (upstream_active_) client_context_.TryCancel();
  End(status);
}

void WatchEgressRelay::OnDone() {
  group_->Remove(this);
  Unreference();
}

void WatchEgressRelay::OnUpstreamDone(const grpc::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    upstream_active_ = false;
    End(FromNode(status, route_.node.id));
  }
  Unreference();
}

void WatchEgressRelay::CloseUpstream() {
  if (!upstream_open_) return;
  upstream_open_ = false;
  upstream_.RemoveHold();
}

void WatchEgressRelay::End(const absl::Status& status) {
  if (!ending_.has_value()) ending_ = status;
  FinishIfIdle();
}

void WatchEgressRelay::FinishIfIdle() {
  if (finished_ || writing_ || upstream_active_ || routing_ || !ending_.has_value()) return;
  finished_ = true;
  Finish(record_.Finish(*ending_));
}

void WatchEgressRelay::Unreference() {
  if (references_.fetch_sub(1) == 1) delete this;
}

}  // namespace paddock
