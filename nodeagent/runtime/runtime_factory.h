#pragma once

#include <map>
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
  std::string standard = "";  // "crun" or "runc" instead of the first of them that is there.
  // Where the runtimes' programs are looked for, the first directory first.
  std::vector<std::string> search_dirs = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                          "/usr/bin"};
  int launchers = 4;  // How many containers may be on their way into being at once.
};

struct OciRuntimes {
  // Those whose programs are there, by name ("crun", "runc", "runsc"). Whether containers start
  // with them is another question.
  std::map<std::string, std::shared_ptr<ContainerRuntime>> found;
  std::map<std::string, std::string> missing;  // The others, each with the reason.
  std::shared_ptr<ContainerRuntime> standard;  // crun, else runc.
};

// Finds the OCI runtimes of this machine, makes the process a child subreaper and compiles the
// seccomp filter. `cgroups` must outlive them. FAILED_PRECONDITION when neither crun nor runc is
// there.
absl::StatusOr<OciRuntimes> MakeOciRuntimes(const OciRuntimeOptions& options,
                                            CgroupManager* cgroups);

}  // namespace paddock::nodeagent
