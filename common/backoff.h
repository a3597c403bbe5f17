#pragma once

#include <algorithm>

#include "absl/random/bit_gen_ref.h"
#include "absl/random/distributions.h"
#include "absl/time/time.h"

namespace paddock {

// How long to wait before the next try: doubles from `initial` up to `maximum`, and each delay is
// drawn evenly from its upper half, so that many who failed at once don't come back at once. Not
// thread-safe; doesn't wait by itself.
class Backoff {
 public:
  Backoff(absl::Duration initial, absl::Duration maximum)
      : initial_(initial), maximum_(maximum), next_(initial) {}

  // The delay after one more failure.
  absl::Duration Next(absl::BitGenRef random) {
    const absl::Duration delay = std::min(next_, maximum_);
    next_ = std::min(next_ * 2, maximum_);
    return delay * absl::Uniform(absl::IntervalClosed, random, 0.5, 1.0);
  }

  // After a success.
  void Reset() { next_ = initial_; }

 private:
  absl::Duration initial_;
  absl::Duration maximum_;
  absl::Duration next_;
};

}  // namespace paddock
