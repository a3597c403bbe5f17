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

// Reads the answers of one BuildLayer call, one at a time. Owned by the call itself until it is
// done, and by whoever may cancel it.
class RpcNodeClient::BuildCall final
    : public grpc::ClientReadReactor<internal::v1::BuildLayerEvent>,
      public NodeCall {
 public:
  BuildCall(RpcNodeClient* client, std::shared_ptr<NodeChannels::Stub> stub,
            const LayerOrder& order, LineCallback on_line, BuildCallback callback)
      : client_(client),
        stub_(std::move(stub)),
        manager_(order.manager),
        request_(ToProto(order)),
        on_line_(std::move(on_line)),
        callback_(std::move(callback)) {}

  void Start(std::shared_ptr<BuildCall> self, absl::Duration deadline) {
    context_.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
    if (!client_->Begin(&context_)) return callback_(errors::ShuttingDown());
    self_ = std::move(self);
    stub_->async()->BuildLayer(&context_, &request_, this);
    StartRead(&event_);
    StartCall();
  }

  void Cancel() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    switch (event_.event_case()) {
      case internal::v1::BuildLayerEvent::kLogLine:
        on_line_(std::move(*event_.mutable_log_line()));
        break;
      case internal::v1::BuildLayerEvent::kBuilt:
        outcome_ = FromProto(event_.built());
        break;
      case internal::v1::BuildLayerEvent::kFailure:
        outcome_ = FromProto(event_.failure(), manager_);
        break;
      case internal::v1::BuildLayerEvent::EVENT_NOT_SET:
        break;
    }
    StartRead(&event_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<BuildCall> self = std::move(self_);
    // What was said holds, however the stream ended.
    if (outcome_.has_value()) {
      callback_(*std::move(outcome_));
    } else if (status.ok()) {
      callback_(errors::Internal("A node ended a build without a result."));
    } else {
      callback_(FromGrpcStatus(status));
    }
    client_->End(&context_);
  }

 private:
  RpcNodeClient* const client_;
  const std::shared_ptr<NodeChannels::Stub> stub_;
  const std::string manager_;
  const internal::v1::BuildLayerRequest request_;
  const LineCallback on_line_;
  const BuildCallback callback_;
  grpc::ClientContext context_;
  internal::v1::BuildLayerEvent event_;
  std::optional<absl::StatusOr<BuildOutcome>> outcome_;
  std::shared_ptr<BuildCall> self_;
};

std::shared_ptr<NodeCall> RpcNodeClient::BuildLayer(const NodeTarget& node, const LayerOrder& order,
                                                    absl::Duration deadline, LineCallback on_line,
                                                    BuildCallback callback) {
  auto call = std::make_shared<BuildCall>(this, channels_->For(node), order, std::move(on_line),
                                          std::move(callback));
  call->Start(call, deadline);
  return call;
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
