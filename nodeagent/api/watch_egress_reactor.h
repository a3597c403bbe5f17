#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/session/egress_feed.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// One WatchEgress call: writes what the feed tells, one message at a time, and takes no more before
// the client has taken that. Thread-safe. Lives as long as the call; the feed may hold it a moment
// longer, when it does nothing any more.
class WatchEgressReactor final : public grpc::ServerWriteReactor<internal::v1::NodeEgressEvent>,
                                 public EgressWatcher {
 public:
  // With an error in `admitted` nothing is watched.
  static WatchEgressReactor* Start(const absl::Status& admitted, EgressFeed* feed,
                                   const internal::v1::NodeListEgressEventsRequest& request,
                                   std::function<void(absl::StatusCode)> on_done);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  bool Ready() override;
  void OnEvents(std::vector<EgressEvent> events) override;
  void OnEnd(const absl::Status& status) override;

 private:
  explicit WatchEgressReactor(std::function<void(absl::StatusCode)> on_done)
      : on_done_(std::move(on_done)) {}

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<void(absl::StatusCode)> on_done_;
  std::shared_ptr<WatchEgressReactor> self_;  // Until OnDone.
  absl::Mutex mutex_;
  internal::v1::NodeEgressEvent response_ ABSL_GUARDED_BY(mutex_);  // Under way while writing_.
  std::vector<EgressEvent> waiting_ ABSL_GUARDED_BY(mutex_);        // The next one last.
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock::nodeagent
