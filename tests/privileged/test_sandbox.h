#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// A user namespace and the network namespace inside it, for tests that need no network.
struct TestNamespaces {
  UniqueFd userns;
  UniqueFd netns;
};
absl::StatusOr<TestNamespaces> MakeTestNamespaces(uint32_t uid_base);

// A root file system with busybox alone, made below `dir`; its path.
absl::StatusOr<std::string> MakeBusyboxRoot(const std::string& dir);

// A directory that is made for one test and removed with everything in it at the end.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One sandbox's directories and specification, below `dir`. Nothing runs yet.
struct TestSandbox {
  TestNamespaces namespaces;
  ContainerSpec spec;
};
absl::StatusOr<TestSandbox> PrepareSandbox(const std::string& dir, const std::string& root_dir,
                                           const std::string& id, uint32_t uid_base);

struct CommandResult {
  int code = -1;
  int signal = 0;
  std::string output;  // Both streams.
};
// Runs a command by `client` and takes what it says.
absl::StatusOr<CommandResult> RunBy(InitClient* client, const ExecSpec& spec,
                                    const std::string& input = "", int cgroup_procs_fd = -1,
                                    absl::Duration timeout = absl::Seconds(20));
// Runs a command inside by PID 1.
absl::StatusOr<CommandResult> RunInside(const ContainerSpec& spec,
                                        const std::vector<std::string>& command,
                                        absl::Duration timeout = absl::Seconds(20),
                                        const std::string& user = "", int cgroup_procs_fd = -1);
// The same for `sh -c`.
absl::StatusOr<CommandResult> ShellInside(const ContainerSpec& spec, const std::string& script,
                                          const std::string& user = "");

}  // namespace paddock::nodeagent
