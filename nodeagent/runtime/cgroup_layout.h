#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/system/mount.h"

namespace paddock::nodeagent {

// One mounted cgroup hierarchy.
struct CgroupHierarchy {
  std::string mount_point;
  bool v2 = false;
  std::vector<std::string> controllers;  // "cpu", "memory", …

  bool Has(absl::string_view controller) const;
};

// Which hierarchies a sandbox has a cgroup in, and what each is for. A value.
struct CgroupLayout {
  std::vector<CgroupHierarchy> used;
  // The one whose cgroups are killed, and which alone has child cgroups for execs: cgroup v2 if it
  // has any controller that we need, else the v1 freezer. (On hybrid hosts the empty v2 tree is
  // left alone: moving a process into it costs 12 ms, into a v1 cgroup 0.1.)
  size_t kill_index = 0;

  const CgroupHierarchy& kill() const { return used[kill_index]; }
  // The used hierarchy that has `controller`; null when there is none.
  const CgroupHierarchy* Find(absl::string_view controller) const;
};

// Pure. `v2_controllers` is the content of cgroup.controllers at the root of the v2 hierarchy, ""
// without one. FAILED_PRECONDITION names the controller of cpu, memory and pids that is missing.
absl::StatusOr<CgroupLayout> ChooseCgroupLayout(const std::vector<MountEntry>& mounts,
                                                absl::string_view v2_controllers);

// The layout of this machine.
absl::StatusOr<CgroupLayout> DetectCgroupLayout();

}  // namespace paddock::nodeagent
