#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controlplane/store/connection_pool.h"

namespace paddock {

// Asks the database again and again whether it answers, on a connection and a thread of its own,
// so that nothing else that waits can hide it, and tells whenever that changes. A refusal or a
// broken connection says little, so it takes kFailures in a row; silence (PoolOptions::silence)
// counts at once, and then the pool ends what waits and refuses what comes, until an answer comes.
// One answer makes it good again. Thread-safe.
class DatabaseMonitor {
 public:
  static constexpr int kFailures = 3;

  // Begins to ask. `tell` runs on the monitor's thread, with true after the first answer. `pool`
  // must outlive it.
  DatabaseMonitor(ConnectionPool* pool, std::function<void(bool ready)> tell);
  // Tells nothing any more.
  ~DatabaseMonitor();

 private:
  void Run();
  // Asks once, on a new connection when there is none.
  absl::Status Ask();
  void Note(const absl::Status& status, absl::Duration took);

  ConnectionPool* const pool_;
  const std::function<void(bool)> tell_;
  // Of the thread.
  std::unique_ptr<ConnectionPool::Connection> connection_;
  bool ready_ = false;
  int failures_ = 0;
  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paddock
