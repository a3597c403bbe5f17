#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/timer_queue.h"
#include "controlplane/api/call_record.h"
#include "controlplane/api/dispatcher.h"
#include "controlplane/api/drain_group.h"
#include "controlplane/core/environment_feed.h"
#include "paddock/v1/environment.pb.h"

namespace paddock {

// One WatchEnvironment call. Asks its feed on the pool when it was woken, writes what came, and
// asks again only then: no thread of its own, and a slow client costs one part of memory. Owned by
// gRPC and the tasks that refer to it. Thread-safe.
class EnvironmentStream final : public grpc::ServerWriteReactor<v1::WatchEnvironmentResponse>,
                                public Drainable,
                                public std::enable_shared_from_this<EnvironmentStream> {
 public:
  // The arguments must outlive the stream.
  static EnvironmentStream* Start(grpc::CallbackServerContext* context,
                                  const v1::WatchEnvironmentRequest& request,
                                  Dispatcher* dispatcher, DrainGroup* group, TimerQueue* timers,
                                  EnvironmentFeeds* feeds);

  void Drain() override;
  void OnCancel() override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  EnvironmentStream(CallRecord record, ThreadPool* pool, DrainGroup* group, TimerQueue* timers)
      : pool_(pool), group_(group), timers_(timers), record_(record) {}

  // These run on the pool, and block.
  void Open(const absl::StatusOr<Principal>& caller, EnvironmentFeeds* feeds,
            const EnvironmentId& id, int64_t after_revision);
  void Ask(const std::shared_ptr<EnvironmentFeed>& feed);

  void Wake();
  void WakeLater();
  // After what waits to be written, or at once without it. Later calls change nothing.
  void End(const absl::Status& status);
  void EndNow(const absl::Status& status);
  // Starts what comes next. gRPC's operations only queue, and call back on other threads.
  void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ThreadPool* const pool_;
  DrainGroup* const group_;
  TimerQueue* const timers_;
  absl::Mutex mutex_;
  std::shared_ptr<EnvironmentStream> self_ ABSL_GUARDED_BY(mutex_);  // gRPC's reference.
  CallRecord record_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<EnvironmentFeed> feed_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Subscription> subscription_ ABSL_GUARDED_BY(mutex_);
  // The front one is being written while writing_.
  std::deque<v1::WatchEnvironmentResponse> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool asking_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock
