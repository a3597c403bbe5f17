#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/spawn.h"

namespace paddock::nodeagent {

// One start: a root file system and the program that makes a container of it. A value; its
// descriptors belong to the caller.
struct LaunchPlan {
  std::vector<std::string> lower_dirs;  // Top first.
  std::string volume_dir;               // With upper/ and work/. Empty: no root file system at all.
  bool volatile_upper = false;
  int userns_fd = -1;
  uint32_t uid_base = 0;
  SpawnSpec command;
  absl::Duration timeout;
};

// Threads that start containers. Each has a mount namespace of its own for good, in which it mounts
// the overlay of one sandbox after another, runs the OCI runtime and unmounts; the sandbox keeps
// the overlay by its own mount namespace, the host's table of mounts never sees it, and the agent
// needn't be forked. Thread-safe.
class LauncherPool {
 public:
  // `work_dir` is made if need be and stays empty outside of the launchers. Everybody must be able
  // to traverse to it. `needed` are paths beside the system's own that the programs use; a mount
  // that holds none of them isn't kept from being unmounted by the launchers.
  static absl::StatusOr<std::unique_ptr<LauncherPool>> Create(
      const std::string& work_dir, int launchers, const std::vector<std::string>& needed);
  ~LauncherPool();
  LauncherPool(const LauncherPool&) = delete;
  LauncherPool& operator=(const LauncherPool&) = delete;

  // Where launchers mount the root file system, the same in each of their namespaces.
  const std::string& rootfs() const { return rootfs_; }

  // Blocks until the program has ended, or until it was killed after the plan's time-out
  // (DEADLINE_EXCEEDED; what it started is left to the caller).
  absl::StatusOr<ExitStatus> Launch(const LaunchPlan& plan);

 private:
  struct Job;

  LauncherPool(std::string work_dir, std::vector<std::string> needed);
  absl::Status EnterNamespace();
  void Run(absl::Status* entered);
  // In the caller's mount namespace, which alone sees layers and volumes.
  static absl::Status OpenLayers(Job* job);
  absl::StatusOr<ExitStatus> Execute(const Job& job);
  absl::Status MountRoot(const Job& job);

  const std::string work_dir_;
  const std::vector<std::string> needed_;
  const std::string rootfs_;
  const std::string scratch_;
  absl::Mutex mutex_;
  std::deque<Job*> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int entering_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_;
};

}  // namespace paddock::nodeagent
