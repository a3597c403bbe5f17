#pragma once

#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"

namespace paddock {

// Runs short tasks later, on one thread, which they must not block. Thread-safe.
class TimerQueue {
 public:
  explicit TimerQueue(Clock* clock = Clock::Real());
  // As Stop.
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // Runs `task` once, `delay` from now; never inside of this call.
  void After(absl::Duration delay, absl::AnyInvocable<void()> task);

  // Drops the tasks that aren't due, and all later ones, and waits for the one that runs.
  void Stop();

 private:
  void Run();

  Clock* const clock_;
  absl::Mutex mutex_;
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;  // Since the thread looked.
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  // By monotonic time.
  std::multimap<absl::Duration, absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::once_flag stopped_;
  std::thread thread_;
};

}  // namespace paddock
