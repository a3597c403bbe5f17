#pragma once

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/image/volume_store.h"
#include "nodeagent/runtime/cgroup_manager.h"
#include "nodeagent/session/session_manager.h"

namespace paddock::nodeagent {

// Notices when something in a running sandbox hits its bounds (memory, processes, disk), and says
// so in the session's status: the newest of it, and a full disk only as long as it is full.
// Thread-safe.
class IncidentMonitor {
 public:
  IncidentMonitor(SessionManager* manager, CgroupManager* cgroups, VolumeStore* volumes)
      : manager_(manager), cgroups_(cgroups), volumes_(volumes) {}

  // Looks at one session, for example when a command in it failed. Reads a few small files.
  void Check(const SessionRecord& record);
  void CheckAll();
  void OnSessionGone(const std::string& session_id);

 private:
  struct Seen {
    int64_t oom_kills = 0;
    int64_t pids_refused = 0;
    bool disk_full = false;
  };

  void CheckUsage(const SessionRecord& record);
  void CheckDisk(const SessionRecord& record);

  SessionManager* const manager_;
  CgroupManager* const cgroups_;
  VolumeStore* const volumes_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Seen> seen_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
