#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tls.h"
#include "nodeagent/egress/gateway_options.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/system/paths.h"

namespace paddock::nodeagent {

// What the command line says, checked.
struct AgentFlags {
  Paths paths{"", ""};
  std::string volumes_file;
  int64_t volumes_bytes = 0;
  std::string volumes_device;
  std::string name;
  std::string node_id;
  std::string node_object;
  std::string not_schedulable_file;
  bool leave_cgroups = false;
  std::string listen;
  std::string address;
  std::string metrics_listen;
  std::vector<std::string> control_plane;
  TlsFiles tls;
  std::string base_image;
  std::string instance;
  std::string subnet;
  uint32_t uid_base = 0;
  int max_sessions = 0;
  std::string cgroup;
  SandboxLimits capacity;  // Of the whole node; disk_bytes 0: what the volumes' file system has.
  std::string init_path;
  std::vector<std::string> runtime_dirs;
  std::map<std::string, std::string> labels;
  int ready_pairs = 0;
  int workers = 0;
  int max_builds = 0;
  int64_t layers_bytes = 0;
  std::string layer_registry;
  std::vector<std::string> layer_registry_flags;
  std::vector<std::string> blocked;
  std::string operator_file;
  std::string resolv_conf;
  std::optional<std::vector<std::string>> registry_hosts;

  GatewayOptions Gateway() const;
};

// After absl::ParseCommandLine. INVALID_ARGUMENT names the flag.
absl::StatusOr<AgentFlags> ReadAgentFlags();
// For subcommands that need nothing else.
std::string StateDirFlag();

}  // namespace paddock::nodeagent
