#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Current use of one sandbox, from its cgroup.
struct CgroupUsage {
  int64_t memory_bytes = 0;
  int64_t cpu_usec = -1;  // -1: unknown (v1 hosts that account cpu in a hierarchy of its own).
  int64_t pids = 0;
  int64_t oom_kills = 0;     // Since the cgroup was made.
  int64_t pids_refused = 0;  // forks that the pids limit refused.
};

// What a child needs to start inside a cgroup (see SpawnSpec).
struct CgroupEntry {
  UniqueFd v2_dir;                   // Invalid where no cgroup v2 hierarchy is used.
  std::vector<UniqueFd> join_files;  // `tasks` files of v1 hierarchies.
};

// The cgroup subtree of all sessions of one agent: <root>/<session>[/exec-<id>]. cgroup v2, v1 and
// hybrid hosts behind one interface. Thread-safe. Names are relative to the subtree. Removing what
// isn't there is OK.
class CgroupManager {
 public:
  virtual ~CgroupManager() = default;
  // Makes the subtree and bounds it by the node's capacity. Idempotent.
  virtual absl::Status Prepare(const SandboxLimits& capacity) = 0;
  // Moves the calling process into the subtree of every hierarchy that sandboxes aren't bounded in,
  // so that what it starts has nothing of the cgroup that it was started in itself, which may go.
  // After Prepare.
  virtual absl::Status LeaveOwnCgroups() { return absl::OkStatus(); }
  virtual absl::Status Create(const std::string& name, const SandboxLimits& limits) = 0;
  // "/<subtree>/<name>", for OCI runtimes that place a sandbox themselves.
  virtual std::string PathInHierarchy(const std::string& name) { return name; }
  // For starting a process inside `name`.
  virtual absl::StatusOr<CgroupEntry> OpenForSpawn(const std::string& name) {
    return absl::UnimplementedError("this cgroup manager starts nothing");
  }
  // Makes <session>/exec-<exec_id> and returns an open, writable file: a process with a single
  // thread that writes "0" into it moves itself there. The caller closes it.
  virtual absl::StatusOr<int> CreateExec(const std::string& session,
                                         const std::string& exec_id) = 0;
  // SIGKILLs every process below `name` until none is left (fork bombs too), within `timeout`.
  virtual absl::Status Kill(const std::string& name, absl::Duration timeout) = 0;
  // Removes `name` and everything below it; the cgroup must be empty of processes.
  virtual absl::Status Remove(const std::string& name) = 0;
  virtual bool IsEmpty(const std::string& name) = 0;
  // Ids of the execs that `session` has a cgroup for; none when the session has no cgroup.
  virtual absl::StatusOr<std::vector<std::string>> ListExecs(const std::string& session) = 0;
  // Direct children of the subtree, for the sweep at start.
  virtual absl::StatusOr<std::vector<std::string>> List() = 0;
  virtual absl::StatusOr<CgroupUsage> Usage(const std::string& name) = 0;
  // Removes the subtree itself, and those above it that are empty then; no session may be left in
  // it. For taking an agent off a machine.
  virtual absl::Status RemoveSubtree() {
    return absl::UnimplementedError("this cgroup manager has no subtree");
  }
  // Absolute directories of `name`, one a hierarchy; the gateway process needs them for the fence.
  virtual std::vector<std::string> Directories(const std::string& name) = 0;
};

}  // namespace paddock::nodeagent
