#include "controlplane/api/write_file_relay.h"

#include <string>
#include <utility>

#include "common/errors.h"

namespace paddock {

WriteFileRelay* WriteFileRelay::Start(grpc::CallbackServerContext* context,
                                      v1::WriteFileResponse* response, NodeRouter* router) {
  auto* relay = new WriteFileRelay(context, response, router);
  relay->StartRead(&relay->request_);
  return relay;
}

WriteFileRelay::WriteFileRelay(grpc::CallbackServerContext* context,
                               v1::WriteFileResponse* response, NodeRouter* router)
    : context_(context),
      response_(response),
      router_(router),
      record_(router->dispatcher()->Record("WriteFile")),
      upstream_(this) {}

void WriteFileRelay::OnReadDone(bool ok) {
  std::string session_id;
  {
    absl::MutexLock lock(&mutex_);
    if (ending_.has_value()) return;
    if (phase_ != Phase::kAwaitingStart) {
      if (!ok) return StartSendInitialMetadata();
      return Forward();
    }
    if (!ok || !request_.has_start()) {
      return End(errors::InvalidField("start", "must be the first message"));
    }
    phase_ = Phase::kRouting;
    session_id = request_.start().session_id();
  }
  router_->Route(context_, request_, session_id, RouteTo::kRunning,
                 [this](absl::StatusOr<NodeRoute> route) { OnRouted(std::move(route)); });
}

void WriteFileRelay::Forward() {
  if (!upstream_open_) return;
  absl::Status status = CheckSize(request_);
  if (request_.has_start()) {
    status = errors::InvalidField("start", "must be the first message only");
  }
  if (!status.ok()) {
    End(status);
    return CancelUpstream();
  }
  upstream_request_.Clear();
  *upstream_request_.mutable_write() = std::move(request_);
  upstream_.StartWrite(&upstream_request_);
}

void WriteFileRelay::OnSendInitialMetadataDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  if (ending_.has_value() || !upstream_open_) return;
  if (!ok || context_->IsCancelled()) {
    End(errors::Cancelled());
    return CancelUpstream();
  }
  upstream_.StartWritesDone();
  CloseUpstream();
}

void WriteFileRelay::OnRouted(absl::StatusOr<NodeRoute> route) {
  absl::MutexLock lock(&mutex_);
  phase_ = Phase::kRouted;
  if (ending_.has_value()) return FinishIfIdle();  // Cancelled meanwhile.
  if (!route.ok()) return End(route.status());
  Connect(*std::move(route));
}

void WriteFileRelay::Connect(NodeRoute route) {
  route_ = std::move(route);
  client_context_.set_deadline(context_->deadline());
  upstream_request_.set_generation(route_.generation);
  *upstream_request_.mutable_write() = std::move(request_);
  references_.fetch_add(1);
  upstream_active_ = true;
  upstream_open_ = true;
  route_.stub->async()->WriteFile(&client_context_, &upstream_response_, &upstream_);
  upstream_.AddHold();
  upstream_.StartWrite(&upstream_request_);
  upstream_.StartCall();
}

void WriteFileRelay::OnUpstreamWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  if (!ok) return CloseUpstream();  // It has ended, and OnUpstreamDone says why.
  if (upstream_open_ && !ending_.has_value()) StartRead(&request_);
}

void WriteFileRelay::OnCancel() {
  absl::MutexLock lock(&mutex_);
  End(errors::Cancelled());
  CancelUpstream();
}

void WriteFileRelay::OnUpstreamDone(const grpc::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    upstream_active_ = false;
    if (status.ok()) *response_ = upstream_response_;
    End(FromNode(status, route_.node.id));
  }
  Unreference();
}

void WriteFileRelay::CloseUpstream() {
  if (!upstream_open_) return;
  upstream_open_ = false;
  upstream_.RemoveHold();
}

void WriteFileRelay::CancelUpstream() {
  if (!upstream_active_) return;
  client_context_.TryCancel();
  CloseUpstream();
}

void WriteFileRelay::End(const absl::Status& status) {
  if (!ending_.has_value()) ending_ = status;
  FinishIfIdle();
}

void WriteFileRelay::FinishIfIdle() {
  if (finished_ || upstream_active_ || phase_ == Phase::kRouting || !ending_.has_value()) return;
  finished_ = true;
  Finish(record_.Finish(*ending_));
}

void WriteFileRelay::Unreference() {
  if (references_.fetch_sub(1) == 1) delete this;
}

}  // namespace paddock
