#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// What to execute. Arguments are passed as they are, never through a shell.
struct SpawnSpec {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH unless it holds a slash.
  // Executed instead of argv[0] unless -1: a descriptor from SealProgram.
  int program_fd = -1;
  std::vector<std::string> env = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
  std::string cwd = "/";
  // (descriptor here, descriptor in the child); what isn't named is closed in the child, and
  // standard input, output and error that aren't named are /dev/null.
  std::vector<std::pair<int, int>> fds = {};
  // Open directory of a cgroup v2 that the child starts in, -1: the caller's.
  int cgroup_dir_fd = -1;
  // Open `tasks` or `cgroup.procs` files of other hierarchies; the child writes "0" into each.
  std::vector<int> cgroup_join_fds = {};
  // Resource limits (RLIMIT_*) of the child; soft and hard alike.
  std::vector<std::pair<int, rlim_t>> limits = {};
};

// A started child. `pidfd` is close-on-exec.
struct SpawnedProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
};

// Starts a child as leader of a session and process group of its own, with default signal handling
// and an empty signal mask. The caller's memory isn't copied (vfork), so it is as quick in a big
// process as in a small one; the calling thread's namespaces are inherited. The caller must reap
// the child with WaitForExit. Thread-safe. Errors: NOT_FOUND when the program isn't there,
// otherwise what the failed step of the child says.
absl::StatusOr<SpawnedProcess> Spawn(const SpawnSpec& spec);

}  // namespace paddock::nodeagent
