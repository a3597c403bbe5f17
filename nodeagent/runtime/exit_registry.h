#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/runtime/cgroup_manager.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/system/exit_watcher.h"

namespace paddock::nodeagent {

// How containers ended, by the name of their cgroup. Every container is tracked from its start, so
// that its process is reaped even if nobody asks; what is known waits for whoever does.
// Thread-safe.
class ExitRegistry {
 public:
  using Callback = std::function<void(ContainerExit)>;

  static absl::StatusOr<std::unique_ptr<ExitRegistry>> Create(CgroupManager* cgroups);

  // Watches a container; one that is tracked already stays so. NOT_FOUND when its process is gone.
  absl::Status Track(const std::string& cgroup, const RunningContainer& container);
  // Calls `callback` once with the end of a tracked container, from the watcher's thread; unknown
  // exit, soon, for one whose process is gone.
  void OnExit(const std::string& cgroup, const RunningContainer& container, Callback callback);
  // Reaps a process that a runtime left to us, when it ends; not a container's.
  absl::Status ReapAtEnd(UniqueFd pidfd);
  // A runtime has been executed: what it left behind is reaped before long.
  void ReapLater();
  // Processes of a runtime may be called this, too: what is executed by its descriptor bears the
  // descriptor's number as name.
  void NameHelpers(const std::string& comm);
  // Drops what nobody asked for.
  void Forget(const std::string& cgroup);

 private:
  struct Entry {
    RunningContainer container;
    bool ended = false;
    ContainerExit exit;
    Callback callback;
  };

  explicit ExitRegistry(CgroupManager* cgroups) : cgroups_(cgroups) {}
  void HandleExit(const std::string& cgroup, const RunningContainer& container, int pidfd);
  void Reap();
  // Has the watcher's thread call `callback` with `exit`.
  void CallLater(ContainerExit exit, const Callback& callback);

  CgroupManager* const cgroups_;
  absl::Mutex mutex_;
  std::unordered_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> helper_comms_ ABSL_GUARDED_BY(mutex_) = {
      "crun", "runc", "runc:[0:PARENT]", "runc:[1:CHILD]", "runsc", "exe"};
  bool reaping_planned_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<ExitWatcher> watcher_;  // Last: its thread uses everything above.
};

}  // namespace paddock::nodeagent
