#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controlplane/core/executor.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_store.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// Waits for one session to reach a phase, without a thread, and answers once: with the session
// there, or as it is when the time is over. Lives until then by shared ownership. Thread-safe.
class PhaseWaiter : public std::enable_shared_from_this<PhaseWaiter> {
 public:
  using Callback = std::function<void(absl::StatusOr<Session>)>;
  using Predicate = std::function<bool(SessionPhase)>;

  struct Deps {
    SessionStore* store = nullptr;
    WatchHub* hub = nullptr;
    Executor* executor = nullptr;
    Timers* timers = nullptr;
  };

  PhaseWaiter(const Deps& deps, Session session, Predicate reached, Callback callback);

  // Answers at once when the session is there, or `wait` isn't positive. Call once, first.
  void Begin(absl::Duration wait);

  // What a call to the session's node led to; others than the session's own are ignored.
  void Learn(const TransitionResult& result);

  // From now on also what others write about the session counts.
  void Watch();

 private:
  void Answer(absl::StatusOr<Session> session);
  void TimeIsOver();
  int64_t Reload();

  const Deps deps_;
  const Predicate reached_;
  absl::Mutex mutex_;
  Session session_ ABSL_GUARDED_BY(mutex_);
  Callback callback_ ABSL_GUARDED_BY(mutex_);  // Null once it has answered.
  std::unique_ptr<Subscription> subscription_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
