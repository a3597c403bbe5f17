#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/api/call_record.h"
#include "controlplane/api/node_router.h"
#include "paddock/internal/v1/node.pb.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

// One Exec call between a client and the agent that runs its session. Holds no thread; in each
// direction one message is under way at most, and the next is read once it is written, so a slow
// side slows the other one down. A cancelled call cancels the other half. Owns itself.
//
//   client ──read──► request_  ──write──► agent       client ◄──write── response_ ◄──read── agent
//
// gRPC's operations are started under the mutex: they only queue, and call back on other threads.
class ExecRelay final : public grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse> {
 public:
  static ExecRelay* Start(grpc::CallbackServerContext* context, NodeRouter* router);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { Unreference(); }

 private:
  // The agent's half.
  class Upstream final
      : public grpc::ClientBidiReactor<internal::v1::NodeExecRequest, v1::ExecResponse> {
   public:
    explicit Upstream(ExecRelay* relay) : relay_(relay) {}
    void OnReadDone(bool ok) override { relay_->OnUpstreamReadDone(ok); }
    void OnWriteDone(bool ok) override { relay_->OnUpstreamWriteDone(ok); }
    void OnDone(const grpc::Status& status) override { relay_->OnUpstreamDone(status); }

   private:
    ExecRelay* const relay_;
  };

  enum class Phase { kAwaitingStart, kRouting, kRouted };

  ExecRelay(grpc::CallbackServerContext* context, NodeRouter* router);

  void OnRouted(absl::StatusOr<NodeRoute> route);
  void OnUpstreamReadDone(bool ok);
  void OnUpstreamWriteDone(bool ok);
  void OnUpstreamDone(const grpc::Status& status);

  void Connect(NodeRoute route) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forward() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // No operation is started on the agent's half from then on, so that it can end.
  void CloseUpstream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first call decides how the client's half ends, once the agent's half has ended.
  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unreference();

  grpc::CallbackServerContext* const context_;  // Valid until OnDone.
  NodeRouter* const router_;
  // Of the client's half until OnDone, and of the agent's until OnUpstreamDone.
  std::atomic<int> references_{1};

  absl::Mutex mutex_;
  CallRecord record_ ABSL_GUARDED_BY(mutex_);
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kAwaitingStart;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool exited_ ABSL_GUARDED_BY(mutex_) = false;  // response_ is the last one.
  // Operations may be started on the agent's half (it holds a reference of gRPC's for that).
  bool upstream_open_ ABSL_GUARDED_BY(mutex_) = false;
  bool upstream_active_ ABSL_GUARDED_BY(mutex_) = false;
  NodeRoute route_ ABSL_GUARDED_BY(mutex_);

  // Each belongs to the operation that is under way on it.
  v1::ExecRequest request_;
  v1::ExecResponse response_;
  v1::ExecResponse surplus_;
  internal::v1::NodeExecRequest upstream_request_;

  grpc::ClientContext client_context_;
  Upstream upstream_;
};

}  // namespace paddock
