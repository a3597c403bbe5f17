#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// A few threads that wait for descriptors and timers. Thread-safe. Callbacks run on its threads and
// must not block; those of one descriptor may overlap only if it is armed again while one runs.
// Destroying it drops what waits, after the callbacks that run.
class PollLoop {
 public:
  // EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR.
  using FdCallback = std::function<void(uint32_t events)>;

  static absl::StatusOr<std::unique_ptr<PollLoop>> Create(int threads);
  ~PollLoop();

  // Registers `fd`, which stays the caller's, unarmed. Remove it before it is closed.
  absl::StatusOr<uint64_t> Add(int fd, FdCallback callback);
  // One callback when any of `events` (or a hang-up) is there; then it is unarmed again.
  void Arm(uint64_t token, uint32_t events);
  // A callback that runs already goes on.
  void Remove(uint64_t token);

  uint64_t CallAfter(absl::Duration delay, std::function<void()> callback);
  // Nothing happens if it ran already.
  void CancelTimer(uint64_t timer);

 private:
  struct Watch {
    int fd = -1;
    std::shared_ptr<FdCallback> callback;
  };

  PollLoop(UniqueFd epoll, UniqueFd wake, int threads);
  void Run();
  // Runs what is due; returns the wait until the next, in milliseconds, -1 for none.
  int RunTimers();
  void Dispatch(uint64_t token, uint32_t events);
  void Wake();

  const UniqueFd epoll_;
  const UniqueFd wake_;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_token_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, Watch> watches_ ABSL_GUARDED_BY(mutex_);
  // (when on the monotonic clock, timer)
  std::map<std::pair<absl::Duration, uint64_t>, std::function<void()>> timers_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, absl::Duration> timer_times_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace paddock::nodeagent
