#include "nodeagent/egress/deadlines.h"

#include <time.h>

#include "common/clock.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

int64_t NowNanoseconds() { return absl::ToInt64Nanoseconds(Clock::Real()->Monotonic()); }

}  // namespace

absl::StatusOr<std::unique_ptr<Deadlines>> Deadlines::Create(EventLoop* loop) {
  std::unique_ptr<Deadlines> deadlines(new Deadlines());
  Deadlines* self = deadlines.get();
  PADDOCK_ASSIGN_OR_RETURN(self->timer_,
                           LoopTimer::Create(loop, CLOCK_MONOTONIC, [self] { self->Fire(); }));
  return deadlines;
}

void Deadlines::Timer::ArmAfter(absl::Duration delay) {
  Disarm();
  int64_t at = NowNanoseconds() + absl::ToInt64Nanoseconds(delay);
  place_ = deadlines_->queue_.emplace(at, this);
  armed_ = true;
  if (deadlines_->armed_for_ == 0 || at < deadlines_->armed_for_) deadlines_->ArmFirst();
}

void Deadlines::Timer::Disarm() {
  if (!armed_) return;
  deadlines_->queue_.erase(place_);
  armed_ = false;  // The timerfd may expire for nothing, which costs less than setting it anew.
}

void Deadlines::Fire() {
  armed_for_ = 0;
  int64_t now = NowNanoseconds();
  while (!queue_.empty() && queue_.begin()->first <= now) {
    Timer* timer = queue_.begin()->second;
    queue_.erase(queue_.begin());
    timer->armed_ = false;
    // The callback may destroy the timer and with it this function object.
    std::function<void()> callback = timer->callback_;
    callback();
  }
  ArmFirst();
}

void Deadlines::ArmFirst() {
  if (queue_.empty()) return;
  armed_for_ = queue_.begin()->first;
  timer_->ArmAt(armed_for_);
}

}  // namespace paddock::nodeagent
