#include "controlplane/rpc/rpc_node_client.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"
#include "controlplane/rpc/node_messages.h"

namespace paddock {
namespace {

// What must live until a call is answered.
template <typename Request, typename Response>
struct Call {
  Call(std::shared_ptr<NodeChannels::Stub> s, absl::Duration deadline) : stub(std::move(s)) {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
  }
  std::shared_ptr<NodeChannels::Stub> stub;
  grpc::ClientContext context;
  Request request;
  Response response;
};

absl::StatusOr<std::optional<SessionStatus>> LastStatus(
    const internal::v1::StopSessionResponse& response) {
  if (!response.has_status()) return std::nullopt;
  PADDOCK_ASSIGN_OR_RETURN(SessionStatus status, FromProto(response.status()));
  return status;
}

}  // namespace

void RpcNodeClient::PutSession(const NodeTarget& node, const SessionSpec& spec, int64_t revision,
                               absl::Duration deadline, PutCallback callback) {
  using PutCall = Call<internal::v1::PutSessionRequest, internal::v1::PutSessionResponse>;
  auto call = std::make_shared<PutCall>(channels_->For(node), deadline);
  *call->request.mutable_spec() = ToProto(spec);
  call->request.set_revision(revision);
  if (!Begin(&call->context)) return callback(errors::ShuttingDown());
  call->stub->async()->PutSession(
      &call->context, &call->request, &call->response,
      [this, call, callback = std::move(callback)](const grpc::Status& status) {
        callback(status.ok() ? FromProto(call->response.status()) : FromGrpcStatus(status));
        End(&call->context);
      });
}

void RpcNodeClient::StopSession(const NodeTarget& node, const SessionStop& stop,
                                absl::Duration deadline, StopCallback callback) {
  using StopCall = Call<internal::v1::StopSessionRequest, internal::v1::StopSessionResponse>;
  auto call = std::make_shared<StopCall>(channels_->For(node), deadline);
  call->request = ToProto(stop);
  if (!Begin(&call->context)) return callback(errors::ShuttingDown());
  call->stub->async()->StopSession(
      &call->context, &call->request, &call->response,
      [this, call, callback = std::move(callback)](const grpc::Status& status) {
        callback(status.ok() ? LastStatus(call->response) : FromGrpcStatus(status));
        End(&call->context);
      });
}

void RpcNodeClient::Shutdown() {
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
  mutex_.Await(absl::Condition(
      +[](std::set<grpc::ClientContext*>* calls) { return calls->empty(); }, &calls_));
}

bool RpcNodeClient::Begin(grpc::ClientContext* call) {
  absl::MutexLock lock(&mutex_);
  if (!ended_) calls_.insert(call);
  return !ended_;
}

void RpcNodeClient::End(grpc::ClientContext* call) {
  absl::MutexLock lock(&mutex_);
  calls_.erase(call);
}

}  // namespace paddock
