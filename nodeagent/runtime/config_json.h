#pragma once

#include <cstdint>
#include <string>

#include "nlohmann/json.hpp"
#include "nodeagent/runtime/container_runtime.h"

namespace paddock::nodeagent {

// What of config.json doesn't come from the session but from the machine, the runtime and the
// agent.
struct ConfigContext {
  std::string rootfs;       // Where the overlay is mounted.
  std::string init_path;    // PID 1's program on the host.
  std::string userns_path;  // Paths at which the runtime finds the namespaces. Without the first
                            // it makes one itself.
  std::string netns_path;
  // For runtimes that place the sandbox in its cgroup themselves; else "".
  std::string cgroups_path;
  // Whether the sandbox sees its own cgroup at /sys/fs/cgroup (cgroup v2 hosts).
  bool mount_cgroup = false;
  // One of them: the filter compiled already (crun: base64 of the BPF program) or the profile
  // (runc). runsc has a filter of its own and takes neither.
  std::string seccomp_bpf_base64;
  nlohmann::json seccomp_profile;
  // runc wants the ids of the user namespace that it joins; crun, given them, would make the
  // sandbox the owner of the host's /dev/null.
  bool name_id_mappings = false;
  // Whether PID 1 gets its socket; else it only reaps.
  bool init_serves = true;
};

// Where the sandbox's program is mounted inside.
inline constexpr char kInitPath[] = "/.paddock/init";
// Number of ids in a session's range.
inline constexpr uint32_t kIdRange = 65'536;
// Most pseudo terminals that a sandbox may have; the kernel's pool is shared by the machine.
inline constexpr int kMaxPtys = 64;

// Pure: the config.json of one sandbox, for an OCI runtime (specification 1.0). It asks for no
// resource limits: runc can't set them without CAP_SYS_RESOURCE, so the runtime is started with
// those of the sandbox.
nlohmann::json BuildConfigJson(const ContainerSpec& spec, const ConfigContext& context);

}  // namespace paddock::nodeagent
