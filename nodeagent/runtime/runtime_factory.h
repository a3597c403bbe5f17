#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/runtime/cgroup_manager.h"
#include "nodeagent/runtime/container_runtime.h"

namespace paddock::nodeagent {

// The manager of the subtree `subtree` (for example "paddock/node-1"), on whatever hierarchies this
// machine has mounted. FAILED_PRECONDITION names the controller that is missing.
absl::StatusOr<std::unique_ptr<CgroupManager>> MakeCgroupManager(const std::string& subtree);

struct OciRuntimeOptions {
  std::string init_path;  // The static PID 1, mounted into every sandbox at /.paddock/init.
  // Where sandboxes' root file systems are mounted for a moment, in mount namespaces that nobody
  // else sees. Made if need be; agents may share it. Everybody must be able to traverse to it,
  // because the sandbox's root, nobody on the host, walks there.
  std::string work_dir = "/run/paddock-launch";
  // Directories that sessions' files (bundle_dir, runtime_root, etc_dir) lie below. Launchers keep
  // only the mounts that hold these and the system's own directories, no other file system busy.
  std::vector<std::string> session_dirs;
  std::string standard = "";  // "crun" or "runc" instead of the first of them that works.
  int launchers = 4;          // How many containers may be on their way into being at once.
};

// What became of looking for one runtime.
struct RuntimeProbe {
  std::string name;    // "crun", "runc", "runsc"
  std::string reason;  // Why it can't be used here; empty when it can.
};

struct OciRuntimes {
  std::unique_ptr<ContainerRuntime> standard;  // crun, else runc.
  std::unique_ptr<ContainerRuntime> runsc;     // null where it doesn't work.
  std::vector<RuntimeProbe> probes;            // For the node's status.
};

// Finds the OCI runtimes of this machine, makes the process a child subreaper and compiles the
// seccomp filter. `cgroups` must outlive them. FAILED_PRECONDITION when neither crun nor runc
// works.
absl::StatusOr<OciRuntimes> MakeOciRuntimes(const OciRuntimeOptions& options,
                                            CgroupManager* cgroups);

}  // namespace paddock::nodeagent
