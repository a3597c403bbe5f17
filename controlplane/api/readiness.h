#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/thread_pool.h"
#include "common/timer_queue.h"

namespace paddock {

// Asks again and again whether this replica can serve, and says so whenever that changes. One
// failure says little, so it takes kFailures in a row to be not ready; one success makes it ready.
// The two callbacks run on the pool, one at a time. Thread-safe. Not destroyed before the timers
// and the pool have ended.
class Readiness {
 public:
  static constexpr int kFailures = 3;

  Readiness(TimerQueue* timers, ThreadPool* pool, absl::Duration every,
            std::function<absl::Status()> probe, std::function<void(bool ready)> tell);

  // Asks now and from then on.
  void Start();

 private:
  void Ask();

  TimerQueue* const timers_;
  ThreadPool* const pool_;
  const absl::Duration every_;
  const std::function<absl::Status()> probe_;
  const std::function<void(bool)> tell_;
  // Of the task on the pool, of which there is one.
  bool ready_ = false;
  int failures_ = 0;
};

}  // namespace paddock
