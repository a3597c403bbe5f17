#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

// A bounded pool of threads with one FIFO queue a key: tasks of one key never overlap and run in
// order, so a key that blocks holds one thread. A key at rest costs nothing. Thread-safe.
class SerialExecutor {
 public:
  using Task = std::function<void()>;

  explicit SerialExecutor(int threads);
  // Waits for the tasks that run; drops those that wait.
  ~SerialExecutor();
  SerialExecutor(const SerialExecutor&) = delete;
  SerialExecutor& operator=(const SerialExecutor&) = delete;

  void Post(const std::string& key, Task task);
  // Posts after `delay`. Dropped at the end of the executor.
  void PostAfter(absl::Duration delay, const std::string& key, Task task);
  // Tasks that run or wait, delayed ones aside.
  size_t pending() const;
  // Waits until nothing runs or waits, delayed tasks aside; false after `timeout`.
  bool WaitIdle(absl::Duration timeout);
  // Ends it early: like the destructor, but the object stays, and further tasks are dropped.
  void Shutdown();

 private:
  struct Queue {
    std::deque<Task> tasks;
    bool scheduled = false;  // In `ready_` or running.
  };
  struct Delayed {
    std::string key;
    Task task;
  };

  void WorkLoop();
  void TimerLoop();
  void Enqueue(const std::string& key, Task task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasReady() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stop_ || !ready_.empty(); }

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Queue> queues_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> ready_ ABSL_GUARDED_BY(mutex_);
  size_t pending_ ABSL_GUARDED_BY(mutex_) = 0;
  // By time on the machine's monotonic clock.
  std::multimap<absl::Duration, Delayed> delayed_ ABSL_GUARDED_BY(mutex_);
  bool timer_changed_ ABSL_GUARDED_BY(mutex_) = false;  // Since its thread looked.
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
  std::thread timer_;
};

}  // namespace paddock::nodeagent
