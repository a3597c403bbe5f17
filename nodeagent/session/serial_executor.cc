#include "nodeagent/session/serial_executor.h"

#include <utility>

#include "common/await_for.h"
#include "common/clock.h"

namespace paddock::nodeagent {

SerialExecutor::SerialExecutor(int threads) : timer_([this] { TimerLoop(); }) {
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { WorkLoop(); });
}

SerialExecutor::~SerialExecutor() { Shutdown(); }

void SerialExecutor::Shutdown() {
  absl::flat_hash_map<std::string, Queue> dropped;
  std::multimap<absl::Duration, Delayed> dropped_later;
  {
    absl::MutexLock lock(&mutex_);
    if (stop_) return;
    stop_ = true;
    dropped.swap(queues_);
    dropped_later.swap(delayed_);
    ready_.clear();
    timer_changed_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  timer_.join();
}

void SerialExecutor::Post(const std::string& key, Task task) {
  absl::MutexLock lock(&mutex_);
  Enqueue(key, std::move(task));
}

void SerialExecutor::PostAfter(absl::Duration delay, const std::string& key, Task task) {
  absl::MutexLock lock(&mutex_);
  if (stop_) return;
  delayed_.emplace(Clock::Real()->Monotonic() + delay, Delayed{key, std::move(task)});
  timer_changed_ = true;
}

size_t SerialExecutor::pending() const {
  absl::MutexLock lock(&mutex_);
  return pending_;
}

bool SerialExecutor::WaitIdle(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return pending_ == 0; };
  return AwaitFor(&mutex_, absl::Condition(&idle), timeout);
}

void SerialExecutor::Enqueue(const std::string& key, Task task) {
  if (stop_) return;
  Queue& queue = queues_[key];
  queue.tasks.push_back(std::move(task));
  ++pending_;
  if (queue.scheduled) return;
  queue.scheduled = true;
  ready_.push_back(key);
}

void SerialExecutor::WorkLoop() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(this, &SerialExecutor::HasReady));
    if (stop_) return;
    const std::string key = std::move(ready_.front());
    ready_.pop_front();
    Queue& queue = queues_[key];
    Task task = std::move(queue.tasks.front());
    queue.tasks.pop_front();
    mutex_.Unlock();
    task();
    task = nullptr;
    mutex_.Lock();
    --pending_;
    if (stop_) return;
    // One task a turn, so that a busy key can't starve the others.
    const auto it = queues_.find(key);
    if (it->second.tasks.empty()) {
      queues_.erase(it);
    } else {
      ready_.push_back(key);
    }
  }
}

void SerialExecutor::TimerLoop() {
  absl::MutexLock lock(&mutex_);
  while (!stop_) {
    const absl::Duration now = Clock::Real()->Monotonic();
    while (!delayed_.empty() && delayed_.begin()->first <= now) {
      Delayed due = std::move(delayed_.begin()->second);
      delayed_.erase(delayed_.begin());
      Enqueue(due.key, std::move(due.task));
    }
    timer_changed_ = false;
    AwaitFor(&mutex_, absl::Condition(&timer_changed_),
             delayed_.empty() ? absl::InfiniteDuration() : delayed_.begin()->first - now);
  }
}

}  // namespace paddock::nodeagent
