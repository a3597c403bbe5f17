#include "nodeagent/runtime/cgroup_layout.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr std::array<absl::string_view, 3> kRequired = {"cpu", "memory", "pids"};
constexpr std::array<absl::string_view, 6> kV1Controllers = {"cpu",  "cpuacct", "memory",
                                                             "pids", "blkio",   "freezer"};

CgroupHierarchy V1Hierarchy(const MountEntry& mount) {
  CgroupHierarchy hierarchy;
  hierarchy.mount_point = mount.mount_point;
  for (absl::string_view option : absl::StrSplit(mount.super_options, ',')) {
    if (std::find(kV1Controllers.begin(), kV1Controllers.end(), option) != kV1Controllers.end()) {
      hierarchy.controllers.emplace_back(option);
    }
  }
  return hierarchy;
}

std::vector<CgroupHierarchy> MountedHierarchies(const std::vector<MountEntry>& mounts,
                                                absl::string_view v2_controllers) {
  std::vector<CgroupHierarchy> found;
  for (const MountEntry& mount : mounts) {
    if (mount.file_system == "cgroup2") {
      CgroupHierarchy hierarchy;
      hierarchy.mount_point = mount.mount_point;
      hierarchy.v2 = true;
      hierarchy.controllers =
          absl::StrSplit(v2_controllers, absl::ByAnyChar(" \n"), absl::SkipEmpty());
      found.push_back(std::move(hierarchy));
    } else if (mount.file_system == "cgroup") {
      found.push_back(V1Hierarchy(mount));
    }
  }
  return found;
}

// Adds `hierarchy` to the used ones unless it is there; returns its index.
size_t Use(CgroupLayout* layout, const CgroupHierarchy& hierarchy) {
  for (size_t i = 0; i < layout->used.size(); ++i) {
    if (layout->used[i].mount_point == hierarchy.mount_point) return i;
  }
  layout->used.push_back(hierarchy);
  return layout->used.size() - 1;
}

const CgroupHierarchy* FindIn(const std::vector<CgroupHierarchy>& hierarchies,
                              absl::string_view controller) {
  for (const CgroupHierarchy& hierarchy : hierarchies) {
    if (hierarchy.Has(controller)) return &hierarchy;
  }
  return nullptr;
}

}  // namespace

bool CgroupHierarchy::Has(absl::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

const CgroupHierarchy* CgroupLayout::Find(absl::string_view controller) const {
  return FindIn(used, controller);
}

absl::StatusOr<CgroupLayout> ChooseCgroupLayout(const std::vector<MountEntry>& mounts,
                                                absl::string_view v2_controllers) {
  const std::vector<CgroupHierarchy> mounted = MountedHierarchies(mounts, v2_controllers);
  CgroupLayout layout;
  for (absl::string_view controller : kRequired) {
    const CgroupHierarchy* hierarchy = FindIn(mounted, controller);
    if (hierarchy == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(
          "cgroup controller \"", controller, "\" isn't mounted, neither as v1 nor on cgroup v2"));
    }
    Use(&layout, *hierarchy);
  }
  const auto v2 = std::find_if(layout.used.begin(), layout.used.end(),
                               [](const CgroupHierarchy& h) { return h.v2; });
  if (v2 != layout.used.end()) {
    layout.kill_index = static_cast<size_t>(v2 - layout.used.begin());
    return layout;
  }
  if (const CgroupHierarchy* blkio = FindIn(mounted, "blkio")) Use(&layout, *blkio);
  const CgroupHierarchy* freezer = FindIn(mounted, "freezer");
  if (freezer == nullptr) {
    return absl::FailedPreconditionError(
        "cgroup v1 without its controller \"freezer\": sandboxes couldn't be killed for sure");
  }
  layout.kill_index = Use(&layout, *freezer);
  return layout;
}

absl::StatusOr<CgroupLayout> DetectCgroupLayout() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts, ReadMounts());
  std::string controllers;
  for (const MountEntry& mount : mounts) {
    if (mount.file_system != "cgroup2") continue;
    PADDOCK_ASSIGN_OR_RETURN(controllers,
                             ReadFile(absl::StrCat(mount.mount_point, "/cgroup.controllers")));
    break;
  }
  return ChooseCgroupLayout(mounts, controllers);
}

}  // namespace paddock::nodeagent
