#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
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

// One WriteFile call between a client and an agent; see ExecRelay. Owns itself.
//
// A file appears whole or not at all, and what makes it whole is the client's half-close. A read
// that fails because the call was cancelled looks the same, and OnCancel may come after it. So the
// half-close is passed on only after the initial metadata could be sent: that fails on a call which
// ended, because the transport ends both directions before it fails the read.
class WriteFileRelay final : public grpc::ServerReadReactor<v1::WriteFileRequest> {
 public:
  static WriteFileRelay* Start(grpc::CallbackServerContext* context,
                               v1::WriteFileResponse* response, NodeRouter* router);

  void OnReadDone(bool ok) override;
  void OnSendInitialMetadataDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { Unreference(); }

 private:
  class Upstream final : public grpc::ClientWriteReactor<internal::v1::NodeWriteFileRequest> {
   public:
    explicit Upstream(WriteFileRelay* relay) : relay_(relay) {}
    void OnWriteDone(bool ok) override { relay_->OnUpstreamWriteDone(ok); }
    void OnDone(const grpc::Status& status) override { relay_->OnUpstreamDone(status); }

   private:
    WriteFileRelay* const relay_;
  };

  enum class Phase { kAwaitingStart, kRouting, kRouted };

  WriteFileRelay(grpc::CallbackServerContext* context, v1::WriteFileResponse* response,
                 NodeRouter* router);

  void OnRouted(absl::StatusOr<NodeRoute> route);
  void OnUpstreamWriteDone(bool ok);
  void OnUpstreamDone(const grpc::Status& status);

  void Connect(NodeRoute route) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forward() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // No operation is started on the agent's half from then on, so that it can end.
  void CloseUpstream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CancelUpstream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unreference();

  grpc::CallbackServerContext* const context_;  // Valid until OnDone.
  v1::WriteFileResponse* const response_;       // The same.
  NodeRouter* const router_;
  std::atomic<int> references_{1};

  absl::Mutex mutex_;
  CallRecord record_ ABSL_GUARDED_BY(mutex_);
  Phase phase_ ABSL_GUARDED_BY(mutex_) = Phase::kAwaitingStart;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool upstream_open_ ABSL_GUARDED_BY(mutex_) = false;
  bool upstream_active_ ABSL_GUARDED_BY(mutex_) = false;
  NodeRoute route_ ABSL_GUARDED_BY(mutex_);

  v1::WriteFileRequest request_;
  internal::v1::NodeWriteFileRequest upstream_request_;
  v1::WriteFileResponse upstream_response_;
  grpc::ClientContext client_context_;
  Upstream upstream_;
};

}  // namespace paddock
