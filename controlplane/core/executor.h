#pragma once

#include <functional>

#include "absl/time/time.h"

namespace paddock {

// Runs tasks on other threads, in any order. For the continuation of work that was admitted, so it
// never refuses. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Run(std::function<void()> task) = 0;
};

// Runs short, non-blocking tasks later, without a thread each. Thread-safe.
class Timers {
 public:
  virtual ~Timers() = default;
  // Runs `task` once, `delay` from now; never inside of this call.
  virtual void After(absl::Duration delay, std::function<void()> task) = 0;
};

}  // namespace paddock
