#include "nodeagent/runtime/oci_flavor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nodeagent/runtime/config_json.h"

namespace paddock::nodeagent {

OciFlavor CrunFlavor(std::string program) {
  OciFlavor flavor;
  flavor.name = "crun";
  flavor.program = std::move(program);
  flavor.wants_sealing = true;
  flavor.leaves_cgroups_alone = true;
  flavor.options = {"--cgroup-manager=disabled"};
  flavor.takes_bpf = true;
  return flavor;
}

OciFlavor RuncFlavor(std::string program) {
  OciFlavor flavor;
  flavor.name = "runc";
  flavor.wants_sealing = true;
  flavor.program = std::move(program);
  flavor.names_id_mappings = true;
  return flavor;
}

OciFlavor RunscFlavor(std::string program) {
  OciFlavor flavor;
  flavor.name = "runsc";
  flavor.program = std::move(program);
  // Its own processes, which hold the sandbox's memory, are bounded like a sandbox's.
  flavor.leaves_cgroups_alone = true;
  // What sandboxes write goes to their volume, not to a file of its own.
  flavor.options = {"--ignore-cgroups", "--overlay2=none"};
  flavor.filters_itself = true;
  flavor.names_id_mappings = true;
  flavor.makes_user_namespace = true;
  flavor.keeps_processes = true;
  flavor.takes_socket = false;
  flavor.fails_on_stderr = true;
  return flavor;
}

namespace {

std::vector<std::string> Begin(const OciFlavor& flavor, const ContainerSpec& spec,
                               const std::string& log_file) {
  std::vector<std::string> command = {flavor.program, "--root", spec.runtime_root, "--log",
                                      log_file};
  command.insert(command.end(), flavor.options.begin(), flavor.options.end());
  return command;
}

}  // namespace

std::vector<std::string> RunCommand(const OciFlavor& flavor, const ContainerSpec& spec,
                                    const std::string& log_file, const std::string& pid_file) {
  std::vector<std::string> command = Begin(flavor, spec, log_file);
  command.insert(command.end(),
                 {"run", "--detach", "--bundle", spec.bundle_dir, "--pid-file", pid_file});
  if (flavor.takes_socket) command.insert(command.end(), {"--preserve-fds", "1"});
  command.push_back(spec.session_id);
  return command;
}

std::vector<std::string> ExecCommand(const OciFlavor& flavor, const ContainerSpec& spec,
                                     const std::string& argument, const std::string& log_file,
                                     const std::string& pid_file) {
  std::vector<std::string> command = Begin(flavor, spec, log_file);
  command.insert(command.end(), {"exec", "--detach", "--cwd", "/", "--pid-file", pid_file});
  if (flavor.takes_socket) {
    // By descriptor: whatever the sandbox did to its file system, this is our program.
    command.insert(command.end(), {"--preserve-fds", "2", spec.session_id,
                                   absl::StrCat("/proc/self/fd/", kHelperProgramFd)});
  } else {
    command.insert(command.end(), {"--pass-fd", "3:3", spec.session_id, kInitPath});
  }
  command.push_back(argument);
  return command;
}

std::vector<std::string> DeleteCommand(const OciFlavor& flavor, const ContainerSpec& spec) {
  return {flavor.program, "--root", spec.runtime_root, "delete", "--force", spec.session_id};
}

}  // namespace paddock::nodeagent
