#pragma once

#include <string>
#include <vector>

#include "nodeagent/runtime/container_runtime.h"

namespace paddock::nodeagent {

// One value to write into a control file of a cgroup.
struct CgroupSetting {
  std::string controller;
  std::string file;
  std::string value;
  bool optional = false;  // A kernel or scheduler may lack it.
};

// Pure: what bounds one sandbox to `limits`, in the order of writing. Swap is 0, the cpu's period
// 100 ms with as much burst as quota.
std::vector<CgroupSetting> SandboxSettingsV1(const SandboxLimits& limits);
std::vector<CgroupSetting> SandboxSettingsV2(const SandboxLimits& limits);

// Pure: what bounds the subtree of all sandboxes; may be written again with other values.
std::vector<CgroupSetting> SubtreeSettingsV1(const SandboxLimits& capacity);
std::vector<CgroupSetting> SubtreeSettingsV2(const SandboxLimits& capacity);

}  // namespace paddock::nodeagent
