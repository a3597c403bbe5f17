#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Calls back when descriptors are ready: one thread, one epoll. Not thread-safe; callbacks may add
// and remove any descriptor, their own included.
class EventLoop {
 public:
  using Callback = std::function<void(uint32_t events)>;
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();

  // `events` as for epoll_ctl. The descriptor stays the caller's, who calls Remove before closing.
  absl::Status Add(int fd, uint32_t events, Callback callback);
  absl::Status Change(int fd, uint32_t events);
  void Remove(int fd);
  // Until Stop is called.
  absl::Status Run();
  void Stop() { stopped_ = true; }

 private:
  struct Watch {
    uint64_t id;
    std::shared_ptr<Callback> callback;
  };
  explicit EventLoop(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  absl::flat_hash_map<int, Watch> watches_;
  // By what epoll reports, so that a late event of a removed watch meets nobody.
  absl::flat_hash_map<uint64_t, int> fd_of_;
  uint64_t last_id_ = 0;
  bool stopped_ = false;
};

// A timerfd of the loop. Armed by hand; calls back each time it expires.
class LoopTimer {
 public:
  // `clock`: CLOCK_MONOTONIC or CLOCK_BOOTTIME.
  static absl::StatusOr<std::unique_ptr<LoopTimer>> Create(EventLoop* loop, int clock,
                                                           std::function<void()> callback);
  ~LoopTimer();
  // Once, after `nanoseconds` from now; at once if it isn't positive.
  void ArmAfter(int64_t nanoseconds);
  // Once, when the clock reaches this.
  void ArmAt(int64_t nanoseconds);
  void ArmEvery(int64_t nanoseconds);
  void Disarm();

 private:
  LoopTimer(EventLoop* loop, UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {}
  void Set(int flags, int64_t value, int64_t interval);

  EventLoop* loop_;
  UniqueFd fd_;
};

}  // namespace paddock::nodeagent
