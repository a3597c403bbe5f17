#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace paddock {

// absl::Mutex::AwaitWithTimeout by the monotonic clock: unlocks `mutex`, which the caller holds,
// and returns with it held when `condition` is true or `timeout` has passed; whether it is true.
// absl's own timed waits end at a time of day, so a clock that is set back by an hour makes them an
// hour longer, and with them every loop that paces itself by one. A timeout that isn't positive
// looks once; one of absl::InfiniteDuration() never passes.
bool AwaitFor(absl::Mutex* mutex, const absl::Condition& condition, absl::Duration timeout)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

}  // namespace paddock
