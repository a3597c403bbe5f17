#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/egress/event_loop.h"

namespace paddock::nodeagent {

// Any number of timers on one timerfd, for what there is one of per connection. Lives in an event
// loop; not thread-safe.
class Deadlines {
 public:
  static absl::StatusOr<std::unique_ptr<Deadlines>> Create(EventLoop* loop);

  // One timer; disarmed when it is destroyed, which its callback may do.
  class Timer {
   public:
    Timer(Deadlines* deadlines, std::function<void()> callback)
        : deadlines_(deadlines), callback_(std::move(callback)) {}
    ~Timer() { Disarm(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    // Once; in place of what it was armed for.
    void ArmAfter(absl::Duration delay);
    void Disarm();
    bool armed() const { return armed_; }

   private:
    friend class Deadlines;
    Deadlines* const deadlines_;
    const std::function<void()> callback_;
    bool armed_ = false;
    std::multimap<int64_t, Timer*>::iterator place_;
  };

 private:
  Deadlines() = default;
  void Fire();
  void ArmFirst();

  std::multimap<int64_t, Timer*> queue_;  // By nanoseconds of the monotonic clock.
  int64_t armed_for_ = 0;                 // 0: not armed.
  std::unique_ptr<LoopTimer> timer_;
};

}  // namespace paddock::nodeagent
