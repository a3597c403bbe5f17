#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/errors.h"
#include "controlplane/api/call_record.h"
#include "controlplane/api/node_router.h"

namespace paddock {

// One call that streams from an agent to a client, a message at a time, so that a client that reads
// slowly holds the agent back; see ExecRelay. A subclass says which call it is, and makes itself
// with `new`: it is deleted when both sides are over. Thread-safe.
template <typename NodeRequest, typename NodeResponse, typename Response>
class NodeStreamRelay : public grpc::ServerWriteReactor<Response> {
 public:
  using NodeReader = grpc::ClientReadReactor<NodeResponse>;

  void OnWriteDone(bool ok) final {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) client_context_.TryCancel();
    if (upstream_open_) upstream_.StartRead(&response_);
    FinishIfIdle();
  }
  void OnCancel() final { Abandon(errors::Cancelled()); }
  void OnDone() override { Unreference(); }

 protected:
  // `request` lacks the generation.
  NodeStreamRelay(grpc::CallbackServerContext* context, CallRecord record, NodeRequest request)
      : context_(context), record_(record), request_(std::move(request)), upstream_(this) {}

  // Exactly one of the two, once.
  void Route(NodeRouter* router, const std::string& session_id, RouteTo to) {
    router->Route(context_, request_, session_id, to,
                  [this](absl::StatusOr<NodeRoute> route) { OnRouted(std::move(route)); });
  }
  void Refuse(const absl::Status& status) { OnRouted(status); }

  // Ends both sides, the client's with `status`.
  void Abandon(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (upstream_active_) client_context_.TryCancel();
    End(status);
  }

 private:
  class Upstream final : public NodeReader {
   public:
    explicit Upstream(NodeStreamRelay* relay) : relay_(relay) {}
    void OnReadDone(bool ok) override { relay_->OnUpstreamReadDone(ok); }
    void OnDone(const grpc::Status& status) override { relay_->OnUpstreamDone(status); }

   private:
    NodeStreamRelay* const relay_;
  };

  // Starts the agent's call.
  virtual void CallNode(NodeStub* stub, grpc::ClientContext* context, const NodeRequest* request,
                        NodeReader* reader) = 0;
  // What the client gets of it; lives as long as `response`.
  virtual const Response* MessageOf(const NodeResponse& response) = 0;

  void OnRouted(absl::StatusOr<NodeRoute> route) {
    absl::MutexLock lock(&mutex_);
    routing_ = false;
    if (ending_.has_value()) return FinishIfIdle();  // Cancelled meanwhile.
    if (!route.ok()) return End(route.status());
    Connect(*std::move(route));
  }

  void Connect(NodeRoute route) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    route_ = std::move(route);
    client_context_.set_deadline(context_->deadline());
    request_.set_generation(route_.generation);
    references_.fetch_add(1);
    upstream_active_ = true;
    upstream_open_ = true;
    CallNode(route_.stub.get(), &client_context_, &request_, &upstream_);
    upstream_.AddHold();
    upstream_.StartRead(&response_);
    upstream_.StartCall();
  }

  void OnUpstreamReadDone(bool ok) {
    absl::MutexLock lock(&mutex_);
    if (!ok) return CloseUpstream();
    if (ending_.has_value()) return upstream_.StartRead(&response_);
    writing_ = true;
    this->StartWrite(MessageOf(response_));
  }

  void OnUpstreamDone(const grpc::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      upstream_active_ = false;
      End(FromNode(status, route_.node.id));
    }
    Unreference();
  }

  void CloseUpstream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!upstream_open_) return;
    upstream_open_ = false;
    upstream_.RemoveHold();
  }

  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ending_.has_value()) ending_ = status;
    FinishIfIdle();
  }

  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_ || writing_ || upstream_active_ || routing_ || !ending_.has_value()) return;
    finished_ = true;
    this->Finish(record_.Finish(*ending_));
  }

  void Unreference() {
    if (references_.fetch_sub(1) == 1) delete this;
  }

  grpc::CallbackServerContext* const context_;  // Valid until OnDone.
  std::atomic<int> references_{1};

  absl::Mutex mutex_;
  CallRecord record_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool routing_ ABSL_GUARDED_BY(mutex_) = true;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool upstream_open_ ABSL_GUARDED_BY(mutex_) = false;
  bool upstream_active_ ABSL_GUARDED_BY(mutex_) = false;
  NodeRoute route_ ABSL_GUARDED_BY(mutex_);

  NodeRequest request_;
  NodeResponse response_;
  grpc::ClientContext client_context_;
  Upstream upstream_;
};

}  // namespace paddock
