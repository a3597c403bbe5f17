#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// What one sandbox may use at most. Zero is never "unlimited": the caller fills in defaults.
struct SandboxLimits {
  int64_t cpu_millis = 0;    // thousandths of one core
  int64_t memory_bytes = 0;  // swap is always 0
  int64_t pids = 0;
  int64_t disk_bytes = 0;  // of the session's volume
  int io_weight = 100;     // 1-1000
};

// Everything a runtime needs for one start. A plan is a value: nothing in it is created by reading
// it, and every path is the host's.
struct ContainerSpec {
  std::string session_id;
  std::string bundle_dir;               // Where config.json goes.
  std::string runtime_root;             // The runtime's own --root, this session's alone.
  std::string cgroup;                   // Relative to the session subtree, e.g. "sesn_…".
  std::vector<std::string> lower_dirs;  // Overlay lower layers, top first.
  std::string volume_dir;               // Holds upper/ and work/.
  bool volatile_upper =
      false;  // Mount the overlay `volatile`: no fsync; for RESCHEDULE sessions and builds.
  int userns_fd = -1;  // The session's user namespace (maps 0..65535 to uid_base..).
  int netns_fd = -1;   // Its network namespace, inside that user namespace.
  uint32_t uid_base = 0;
  std::string hostname;
  std::string etc_dir;  // resolv.conf, hosts, hostname that are bind-mounted over the sandbox's.
  std::string
      init_socket;  // Where the host side of PID 1's socket is made (listening before the start).
  SandboxLimits limits;
  std::vector<std::string> env;  // KEY=value of PID 1; every command inherits it.
};

// How a container ended.
struct ContainerExit {
  int exit_code = -1;  // -1: unknown (killed by a signal, or the agent wasn't its parent).
  int signal = 0;
  bool oom_killed = false;
};

// A container that runs, whether this agent or an earlier one started it.
struct RunningContainer {
  pid_t pid = -1;           // PID 1 of the sandbox, in the host's numbering.
  uint64_t start_time = 0;  // /proc/<pid>/stat field 22; with pid it names the process for good.
};

// The sandbox's own program, to be executed inside a running container as its root, beside PID 1.
// Descriptors stay the caller's; -1: /dev/null.
struct HelperProcess {
  std::string argument;  // What it is to be; see init/protocol.h.
  int connection = -1;   // Becomes descriptor 3.
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
};

// Starts and ends containers by executing an OCI runtime. Implementations: crun, runc, runsc
// (nodeagent/runtime). Thread-safe; calls for one session must not overlap (the session's worker
// sees to that).
class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  // "crun", "runc", "runsc": the runtime class.
  virtual std::string name() const = 0;

  // Makes the cgroup, config.json, the overlay (in a throwaway mount namespace) and the socket of
  // PID 1, then runs the container detached. Returns when PID 1 runs. On error everything it made
  // is gone again. Errors: RESOURCE_EXHAUSTED (disk, pids, memory of the node), FAILED_PRECONDITION
  // (a missing kernel feature, said by name), DEADLINE_EXCEEDED, INTERNAL with the runtime's own
  // last lines.
  virtual absl::StatusOr<RunningContainer> Start(const ContainerSpec& spec,
                                                 absl::Duration timeout) = 0;

  // Whether the container of an earlier agent still runs: same pid, same start time.
  virtual bool IsAlive(const RunningContainer& container) = 0;

  // Calls `on_exit` once, from a thread of the runtime, as soon as PID 1 ends (pidfd, never
  // polling). If it is gone already, soon. `cgroup` tells whether it was for lack of memory.
  virtual void WatchExit(const RunningContainer& container, const std::string& cgroup,
                         std::function<void(ContainerExit)> on_exit) = 0;

  // Whether its sandboxes take our socket: their PID 1 serves it, and descriptors can come out.
  // Else PID 1 only reaps, and every command needs ExecHelper, with its stdio made here.
  virtual bool takes_socket() const { return true; }

  // Has the runtime's `exec` start a helper in a container that runs, whoever started that. Returns
  // the pidfd of the process that stands for it on the host, invalid when that has ended already;
  // it is reaped when it ends. After an error a helper may still appear, late. Errors: UNAVAILABLE
  // with the runtime's own words, RESOURCE_EXHAUSTED as Start, DEADLINE_EXCEEDED.
  virtual absl::StatusOr<UniqueFd> ExecHelper(const ContainerSpec& spec,
                                              const HelperProcess& helper, absl::Duration timeout) {
    return absl::UnimplementedError("this runtime starts no helpers");
  }

  // Kills every process of the cgroup, waits until it is empty, removes the cgroup (with those of
  // its execs) and the runtime's state. What isn't there is OK.
  virtual absl::Status Destroy(const ContainerSpec& spec, absl::Duration timeout) = 0;
};

}  // namespace paddock::nodeagent
