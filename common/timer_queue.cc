#include "common/timer_queue.h"

#include <pthread.h>

#include <utility>

#include "common/await_for.h"

namespace paddock {

TimerQueue::TimerQueue(Clock* clock) : clock_(clock), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "timers");
}

TimerQueue::~TimerQueue() { Stop(); }

void TimerQueue::Stop() {
  std::call_once(stopped_, [this] {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
      changed_ = true;
    }
    thread_.join();
    std::multimap<absl::Duration, absl::AnyInvocable<void()>> dropped;
    absl::MutexLock lock(&mutex_);
    tasks_.swap(dropped);
  });
}

void TimerQueue::After(absl::Duration delay, absl::AnyInvocable<void()> task) {
  const absl::Duration due = clock_->Monotonic() + delay;
  absl::MutexLock lock(&mutex_);
  if (ending_) return;
  const auto added = tasks_.emplace(due, std::move(task));
  if (added == tasks_.begin()) changed_ = true;
}

void TimerQueue::Run() {
  absl::MutexLock lock(&mutex_);
  while (!ending_) {
    changed_ = false;
    const absl::Duration wait =
        tasks_.empty() ? absl::InfiniteDuration() : tasks_.begin()->first - clock_->Monotonic();
    if (wait > absl::ZeroDuration()) {
      AwaitFor(&mutex_, absl::Condition(&changed_), wait);
      continue;
    }
    absl::AnyInvocable<void()> task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    mutex_.Unlock();
    task();
    task = nullptr;
    mutex_.Lock();
  }
}

}  // namespace paddock
