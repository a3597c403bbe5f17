#include "controlplane/api/exec_relay.h"

#include <utility>

#include "common/errors.h"

namespace paddock {

ExecRelay* ExecRelay::Start(grpc::CallbackServerContext* context, NodeRouter* router) {
  auto* relay = new ExecRelay(context, router);
  relay->StartRead(&relay->request_);
  return relay;
}

ExecRelay::ExecRelay(grpc::CallbackServerContext* context, NodeRouter* router)
    : context_(context),
      router_(router),
      record_(router->dispatcher()->Record("Exec")),
      upstream_(this) {}

void ExecRelay::OnReadDone(bool ok) {
  std::string session_id;
  {
    absl::MutexLock lock(&mutex_);
    if (ending_.has_value()) return;
    if (phase_ != Phase::kAwaitingStart) {
      if (!upstream_open_) return;
      if (!ok) return upstream_.StartWritesDone();
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

void ExecRelay::Forward() {
  absl::Status status = CheckSize(request_);
  if (request_.has_start()) {
    status = errors::InvalidField("start", "must be the first message only");
  }
  if (!status.ok()) {
    End(status);
    return client_context_.TryCancel();
  }
  upstream_request_.Clear();
  *upstream_request_.mutable_exec() = std::move(request_);
  upstream_.StartWrite(&upstream_request_);
}

void ExecRelay::OnRouted(absl::StatusOr<NodeRoute> route) {
  absl::MutexLock lock(&mutex_);
  phase_ = Phase::kRouted;
  if (ending_.has_value()) return FinishIfIdle();  // Cancelled meanwhile.
  if (!route.ok()) return End(route.status());
  Connect(*std::move(route));
}

void ExecRelay::Connect(NodeRoute route) {
  route_ = std::move(route);
  client_context_.set_deadline(context_->deadline());
  // The first message goes in one packet with the metadata.
  client_context_.set_initial_metadata_corked(true);
  upstream_request_.set_generation(route_.generation);
  *upstream_request_.mutable_exec() = std::move(request_);
  references_.fetch_add(1);
  upstream_active_ = true;
  upstream_open_ = true;
  route_.stub->async()->Exec(&client_context_, &upstream_);
  upstream_.AddHold();
  upstream_.StartWrite(&upstream_request_);
  upstream_.StartRead(&response_);
  upstream_.StartCall();
}

void ExecRelay::OnUpstreamWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  // When it failed, the agent's half has ended, and says why.
  if (ok && upstream_open_ && !ending_.has_value()) StartRead(&request_);
}

void ExecRelay::OnUpstreamReadDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  if (!ok) return CloseUpstream();
  if (exited_ || ending_.has_value()) return upstream_.StartRead(&surplus_);
  if (response_.has_exited()) {
    // Goes in one packet with the status, which follows.
    exited_ = true;
    return upstream_.StartRead(&surplus_);
  }
  writing_ = true;
  StartWrite(&response_);
}

void ExecRelay::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) client_context_.TryCancel();
  if (upstream_open_) upstream_.StartRead(ok ? &response_ : &surplus_);
  FinishIfIdle();
}

void ExecRelay::OnCancel() {
  absl::MutexLock lock(&mutex_);
  if (upstream_active_) client_context_.TryCancel();
  End(errors::Cancelled());
}

void ExecRelay::OnUpstreamDone(const grpc::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    upstream_active_ = false;
    absl::Status result = FromNode(status, route_.node.id);
    if (exited_) {
      result = absl::OkStatus();
    } else if (result.ok()) {
      result = errors::Internal("the command's result is missing");
    }
    End(result);
  }
  Unreference();
}

void ExecRelay::CloseUpstream() {
  if (!upstream_open_) return;
  upstream_open_ = false;
  upstream_.RemoveHold();
}

void ExecRelay::End(const absl::Status& status) {
  if (!ending_.has_value()) ending_ = status;
  FinishIfIdle();
}

void ExecRelay::FinishIfIdle() {
  if (finished_ || writing_ || upstream_active_ || phase_ == Phase::kRouting) return;
  if (!ending_.has_value()) return;
  finished_ = true;
  const grpc::Status status = record_.Finish(*ending_);
  if (exited_ && status.ok()) {
    StartWriteAndFinish(&response_, grpc::WriteOptions(), status);
  } else {
    Finish(status);
  }
}

void ExecRelay::Unreference() {
  if (references_.fetch_sub(1) == 1) delete this;
}

}  // namespace paddock
