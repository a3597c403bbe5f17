#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

// Directories of a cgroup file system, by absolute path.

// Makes `dir` empty and new: one that is left over is removed first. ALREADY_EXISTS when processes
// are in that.
absl::Status MakeCgroup(const std::string& dir);

// Removes `dir` and its children; OK if it isn't there. Waits up to `timeout` for processes that
// are dying. FAILED_PRECONDITION when some are left.
absl::Status RemoveCgroup(const std::string& dir, absl::Duration timeout);

// Moves the calling process into the cgroup `path` of the hierarchy mounted at `mount_point`; it
// and its parents are made where they are missing. A v1 cpuset takes nobody before it has cpus and
// memory nodes: a new one gets its parent's.
absl::Status EnterCgroup(const std::string& mount_point, const std::string& path);

// Names of the child cgroups; none when `dir` isn't there.
absl::StatusOr<std::vector<std::string>> ListCgroups(const std::string& dir);

// Processes of `dir` and below it; none when it isn't there.
absl::StatusOr<std::vector<pid_t>> ReadCgroupProcesses(const std::string& dir);

// SIGKILLs everything in `dir` and below it until nothing is left; DEADLINE_EXCEEDED otherwise. OK
// if it isn't there. Fork bombs don't outrun it: v2 by cgroup.kill, v1 by the freezer (`dir` must
// be of the freezer hierarchy).
absl::Status KillCgroupV2(const std::string& dir, absl::Duration timeout);
absl::Status KillCgroupV1(const std::string& dir, absl::Duration timeout);

// The number after `key ` in a file of "key value" lines; `absent` when there is no such file or
// line.
int64_t ReadCgroupCounter(const std::string& file, absl::string_view key, int64_t absent);
// A file that is one number; `absent` as above.
int64_t ReadCgroupNumber(const std::string& file, int64_t absent);

// Makes moving processes into cgroups of the v2 hierarchy mounted at `mount_point` cheap
// (0.1 instead of 12 ms), at a slight cost to every fork and exit of the machine. Linux 6.0.
absl::Status FavorDynamicModifications(const std::string& mount_point);

}  // namespace paddock::nodeagent
