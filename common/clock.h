#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace paddock {

// Where time comes from. The only place that reads the machine's clocks. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock, for what people see.
  virtual absl::Time Now() = 0;
  // Rises steadily, unaffected by clock steps; for intervals within this process.
  virtual absl::Duration Monotonic() = 0;

  // The machine's clock; lives as long as the process.
  static Clock* Real();
};

// A clock that tests move by hand. Thread-safe.
class FakeClock : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : now_(start) {}
  absl::Time Now() override;
  absl::Duration Monotonic() override;
  // Moves both clocks forward.
  void Advance(absl::Duration by);
  // Steps only the wall clock, as an operator or NTP would.
  void StepWall(absl::Duration by);

 private:
  absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  absl::Duration monotonic_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
};

}  // namespace paddock
