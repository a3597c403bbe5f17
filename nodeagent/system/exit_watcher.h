#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Notices the end of processes by their pidfds: one thread, one epoll, no polling. Thread-safe.
// Callbacks run on that thread, one after the other, and must not block for long; they may call
// Watch. Destroying it drops the watches without calling anybody.
class ExitWatcher {
 public:
  static absl::StatusOr<std::unique_ptr<ExitWatcher>> Create();
  virtual ~ExitWatcher() = default;
  // Takes the pidfd; calls `on_exit` once with it when the process has ended (at once if it has).
  virtual absl::Status Watch(UniqueFd pidfd, std::function<void(int pidfd)> on_exit) = 0;
  // Calls `task` after `delay`, on the watcher's thread.
  virtual absl::Status Post(absl::Duration delay, std::function<void()> task) = 0;
};

}  // namespace paddock::nodeagent
