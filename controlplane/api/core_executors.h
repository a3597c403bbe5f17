#pragma once

#include <functional>
#include <utility>

#include "common/thread_pool.h"
#include "common/timer_queue.h"
#include "controlplane/core/executor.h"

namespace paddock {

// What core runs its continuations on. Thread-safe; the pool must outlive it.
class PoolExecutor final : public Executor {
 public:
  explicit PoolExecutor(ThreadPool* pool) : pool_(pool) {}
  void Run(std::function<void()> task) override { pool_->Schedule(std::move(task)); }

 private:
  ThreadPool* const pool_;
};

// Core's timers. Thread-safe; the queue must outlive it.
class QueueTimers final : public Timers {
 public:
  explicit QueueTimers(TimerQueue* queue) : queue_(queue) {}
  void After(absl::Duration delay, std::function<void()> task) override {
    queue_->After(delay, std::move(task));
  }

 private:
  TimerQueue* const queue_;
};

}  // namespace paddock
