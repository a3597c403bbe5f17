#include "controlplane/api/read_file_relay.h"

#include <utility>

#include "common/errors.h"

namespace paddock {

ReadFileRelay* ReadFileRelay::Start(grpc::CallbackServerContext* context,
                                    const v1::ReadFileRequest& request, NodeRouter* router) {
  auto* relay = new ReadFileRelay(context, router);
  *relay->request_.mutable_read() = request;
  router->Route(context, request.session_id(), RouteTo::kRunning,
                [relay](absl::StatusOr<NodeRoute> route) { relay->OnRouted(std::move(route)); });
  return relay;
}

ReadFileRelay::ReadFileRelay(grpc::CallbackServerContext* context, NodeRouter* router)
    : context_(context), record_(router->dispatcher()->Record("ReadFile")), upstream_(this) {}

void ReadFileRelay::OnRouted(absl::StatusOr<NodeRoute> route) {
  absl::MutexLock lock(&mutex_);
  routing_ = false;
  if (ending_.has_value()) return FinishIfIdle();  // Cancelled meanwhile.
  if (!route.ok()) return End(route.status());
  Connect(*std::move(route));
}

void ReadFileRelay::Connect(NodeRoute route) {
  route_ = std::move(route);
  client_context_.set_deadline(context_->deadline());
  request_.set_generation(route_.generation);
  references_.fetch_add(1);
  upstream_active_ = true;
  upstream_open_ = true;
  route_.stub->async()->ReadFile(&client_context_, &request_, &upstream_);
  upstream_.AddHold();
  upstream_.StartRead(&response_);
  upstream_.StartCall();
}

void ReadFileRelay::OnUpstreamReadDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  if (!ok) return CloseUpstream();
  if (ending_.has_value()) return upstream_.StartRead(&response_);
  writing_ = true;
  StartWrite(&response_);
}

void ReadFileRelay::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) client_context_.TryCancel();
  if (upstream_open_) upstream_.StartRead(&response_);
  FinishIfIdle();
}

void ReadFileRelay::OnCancel() {
  absl::MutexLock lock(&mutex_);
  if (upstream_active_) client_context_.TryCancel();
  End(errors::Cancelled());
}

void ReadFileRelay::OnUpstreamDone(const grpc::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    upstream_active_ = false;
    End(FromNode(status, route_.node.id));
  }
  Unreference();
}

void ReadFileRelay::CloseUpstream() {
  if (!upstream_open_) return;
  upstream_open_ = false;
  upstream_.RemoveHold();
}

void ReadFileRelay::End(const absl::Status& status) {
  if (!ending_.has_value()) ending_ = status;
  FinishIfIdle();
}

void ReadFileRelay::FinishIfIdle() {
  if (finished_ || writing_ || upstream_active_ || routing_ || !ending_.has_value()) return;
  finished_ = true;
  Finish(record_.Finish(*ending_));
}

void ReadFileRelay::Unreference() {
  if (references_.fetch_sub(1) == 1) delete this;
}

}  // namespace paddock
