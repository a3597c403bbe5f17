#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace paddock {

// A fixed number of threads behind a bounded queue. Thread-safe. For work that blocks (SQL, files),
// which callbacks of gRPC must not do.
class ThreadPool {
 public:
  // `name` shows in `top -H` (its first 15 characters).
  ThreadPool(std::string name, size_t threads, size_t max_queued);
  // As Join.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Queues `work`; false, and `work` is dropped, when the queue is full or the pool is ending.
  [[nodiscard]] bool TrySchedule(absl::AnyInvocable<void()> work);
  // Queues `work` however long the queue is: for the continuation of work that was admitted. The
  // work runs unless the pool has ended.
  void Schedule(absl::AnyInvocable<void()> work);

  // Runs what is queued, then joins the threads. What is scheduled later is dropped. Not to be
  // called on a thread of the pool.
  void Join();

  // For metrics.
  size_t queued() const;
  size_t busy() const;
  size_t threads() const { return thread_count_; }
  const std::string& name() const { return name_; }

 private:
  void Run();
  bool HasWorkOrEnds() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const std::string name_;
  const size_t thread_count_;
  const size_t max_queued_;
  mutable absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  size_t busy_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::once_flag joined_;
  std::vector<std::thread> threads_;
};

}  // namespace paddock
