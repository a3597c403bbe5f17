#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// How a process ended.
struct ExitStatus {
  int exit_code = -1;  // -1 when a signal ended it.
  int signal = 0;
};

// NOT_FOUND when there is no such process.
absl::StatusOr<UniqueFd> PidfdOpen(pid_t pid);

// Field 22 of /proc/<pid>/stat: clock ticks after boot. With the pid it names a process for good.
// NOT_FOUND when there is no such process.
absl::StatusOr<uint64_t> ProcessStartTime(pid_t pid);

// A pidfd of `pid`, if that is still the process that started at `start_time`; NOT_FOUND otherwise.
absl::StatusOr<UniqueFd> PidfdOpenChecked(pid_t pid, uint64_t start_time);

// OK when the process is gone already.
absl::Status PidfdKill(int pidfd, int signal);

// Whether the process has ended (it may still be a zombie).
bool PidfdExited(int pidfd);

// Waits until a child ended and reaps it; DEADLINE_EXCEEDED past `timeout` (it isn't reaped then).
absl::StatusOr<ExitStatus> WaitForExit(int pidfd, absl::Duration timeout);

// How a process that has ended did so: reaps it if it is our child, else asks the kernel
// (PIDFD_GET_INFO, Linux 6.15); nullopt when nobody can tell.
std::optional<ExitStatus> TakeExitStatus(int pidfd);

// Reaps orphans that were left to this process (see BecomeSubreaper) and have ended, namely those
// whose program was called one of `comms` and who lead no session; what Spawn starts does, and so
// does a sandbox's PID 1. `known` are children not to look at.
void ReapOrphans(const std::set<pid_t>& known, const std::set<std::string>& comms);

// Makes this process the parent of orphaned descendants, so that their exit status is ours to read.
absl::Status BecomeSubreaper();

}  // namespace paddock::nodeagent
