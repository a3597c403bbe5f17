#include "nodeagent/runtime/oci_flavor.h"

#include <utility>

namespace paddock::nodeagent {

OciFlavor CrunFlavor(std::string program) {
  OciFlavor flavor;
  flavor.name = "crun";
  flavor.program = std::move(program);
  flavor.wants_sealing = true;
  flavor.leaves_cgroups_alone = true;
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
  flavor.filters_itself = true;
  flavor.names_id_mappings = true;
  return flavor;
}

std::vector<std::string> RunCommand(const OciFlavor& flavor, const ContainerSpec& spec,
                                    const std::string& log_file, const std::string& pid_file) {
  std::vector<std::string> command = {flavor.program, "--root", spec.runtime_root, "--log",
                                      log_file};
  if (flavor.leaves_cgroups_alone) command.push_back("--cgroup-manager=disabled");
  command.insert(command.end(), {"run", "--detach", "--bundle", spec.bundle_dir, "--pid-file",
                                 pid_file, "--preserve-fds", "1", spec.session_id});
  return command;
}

std::vector<std::string> DeleteCommand(const OciFlavor& flavor, const ContainerSpec& spec) {
  return {flavor.program, "--root", spec.runtime_root, "delete", "--force", spec.session_id};
}

}  // namespace paddock::nodeagent
