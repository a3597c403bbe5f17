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
#include "controlplane/api/drain_group.h"
#include "controlplane/api/node_router.h"
#include "paddock/internal/v1/node.pb.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

// One WatchEgress call between a client and an agent, an event at a time; see ExecRelay. It may go
// on for as long as the session does, so the server's end ends it. Owns itself.
class WatchEgressRelay final : public grpc::ServerWriteReactor<v1::EgressEvent>, public Drainable {
 public:
  static WatchEgressRelay* Start(grpc::CallbackServerContext* context,
                                 const v1::WatchEgressRequest& request, NodeRouter* router,
                                 DrainGroup* group);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Drain() override;

 private:
  class Upstream final : public grpc::ClientReadReactor<internal::v1::NodeEgressEvent> {
   public:
    explicit Upstream(WatchEgressRelay* relay) : relay_(relay) {}
    void OnReadDone(bool ok) override { relay_->OnUpstreamReadDone(ok); }
    void OnDone(const grpc::Status& status) override { relay_->OnUpstreamDone(status); }

   private:
    WatchEgressRelay* const relay_;
  };

  WatchEgressRelay(grpc::CallbackServerContext* context, NodeRouter* router, DrainGroup* group);

  void OnRouted(absl::StatusOr<NodeRoute> route);
  void OnUpstreamReadDone(bool ok);
  void OnUpstreamDone(const grpc::Status& status);
  void Abandon(const absl::Status& status);

  void Connect(NodeRoute route) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseUpstream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unreference();

  grpc::CallbackServerContext* const context_;  // Valid until OnDone.
  DrainGroup* const group_;
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

  internal::v1::NodeListEgressEventsRequest request_;
  internal::v1::NodeEgressEvent response_;
  grpc::ClientContext client_context_;
  Upstream upstream_;
};

}  // namespace paddock
