#pragma once

#include <string>
#include <vector>

#include "nodeagent/runtime/container_runtime.h"

namespace paddock::nodeagent {

// In what OCI runtimes differ, as far as it matters here. A value.
struct OciFlavor {
  std::string name;     // "crun", "runc", "runsc"
  std::string program;  // Absolute path.
  // Copies itself at each start unless it is executed as a sealed copy already.
  bool wants_sealing = false;
  // Leaves cgroups alone, so that it is started inside the sandbox's. The others are told the path
  // and put the sandbox there themselves, into hierarchies of their own choice too, which only
  // their own delete command removes.
  bool leaves_cgroups_alone = false;
  bool takes_bpf = false;       // The annotation run.oci.seccomp_bpf_data.
  bool filters_itself = false;  // Takes no seccomp profile at all.
  bool names_id_mappings = false;
  // Joins no user namespace: it makes one of its own with the same ids.
  bool makes_user_namespace = false;
  // Beside PID 1's, processes of its own stay with the sandbox.
  bool keeps_processes = false;
  std::vector<std::string> options;  // Before its subcommand.
  // Says on standard error, and not in its log alone, why it failed.
  bool fails_on_stderr = false;
  // Sandboxes take our socket, and programs can be executed in them by a descriptor's path.
  bool takes_socket = true;
};

OciFlavor CrunFlavor(std::string program);
OciFlavor RuncFlavor(std::string program);
OciFlavor RunscFlavor(std::string program);

// Where ExecCommand wants the sandbox's program, when the flavor takes our socket.
inline constexpr int kHelperProgramFd = 4;

// Pure: the commands. `log_file` is where the runtime says what went wrong. Run takes PID 1's
// listening socket, Exec a helper's connection as descriptor 3.
std::vector<std::string> RunCommand(const OciFlavor& flavor, const ContainerSpec& spec,
                                    const std::string& log_file, const std::string& pid_file);
std::vector<std::string> ExecCommand(const OciFlavor& flavor, const ContainerSpec& spec,
                                     const std::string& argument, const std::string& log_file,
                                     const std::string& pid_file);
std::vector<std::string> DeleteCommand(const OciFlavor& flavor, const ContainerSpec& spec);

}  // namespace paddock::nodeagent
