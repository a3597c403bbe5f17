#include "common/thread_pool.h"

#include <pthread.h>

#include <utility>

namespace paddock {

ThreadPool::ThreadPool(std::string name, size_t threads, size_t max_queued)
    : name_(std::move(name)), thread_count_(threads), max_queued_(max_queued) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(), name_.substr(0, 15).c_str());
  }
}

ThreadPool::~ThreadPool() { Join(); }

void ThreadPool::Join() {
  std::call_once(joined_, [this] {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
  });
}

bool ThreadPool::TrySchedule(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (ending_ || queue_.size() >= max_queued_) return false;
  queue_.push_back(std::move(work));
  return true;
}

void ThreadPool::Schedule(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (!ending_) queue_.push_back(std::move(work));
}

size_t ThreadPool::queued() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

size_t ThreadPool::busy() const {
  absl::MutexLock lock(&mutex_);
  return busy_;
}

bool ThreadPool::HasWorkOrEnds() const { return ending_ || !queue_.empty(); }

void ThreadPool::Run() {
  while (true) {
    absl::AnyInvocable<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ThreadPool::HasWorkOrEnds));
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
      ++busy_;
    }
    work();
    work = nullptr;  // What it captured ends before it counts as done.
    absl::MutexLock lock(&mutex_);
    --busy_;
  }
}

}  // namespace paddock
