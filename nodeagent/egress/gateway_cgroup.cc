#include "nodeagent/egress/gateway_cgroup.h"

#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/system/cgroup_fs.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"

namespace paddock::nodeagent {
namespace {

// One thread serves every sandbox of the node, each time for a moment: it mustn't wait for its turn
// behind what they compute. Ten times what a group has by itself, in cgroup v1 and v2.
constexpr std::pair<const char*, const char*> kWeights[] = {{"cpu.shares", "10240"},
                                                            {"cpu.weight", "1000"}};

std::string GatewayCgroup(const std::string& instance) {
  return absl::StrCat("paddock-gateway-", instance);
}

// Every hierarchy: who ends a container or pod looks for its processes in any of them.
absl::StatusOr<std::vector<std::string>> Hierarchies() {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<MountEntry> mounts, ReadMounts());
  std::vector<std::string> mount_points;
  for (const MountEntry& mount : mounts) {
    if (mount.file_system == "cgroup" || mount.file_system == "cgroup2") {
      mount_points.push_back(mount.mount_point);
    }
  }
  return mount_points;
}

}  // namespace

absl::Status EnterGatewayCgroups(const std::string& instance) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> hierarchies, Hierarchies());
  for (const std::string& hierarchy : hierarchies) {
    absl::Status moved = EnterCgroup(hierarchy, GatewayCgroup(instance));
    for (const auto& [file, weight] : kWeights) {
      const std::string path = absl::StrCat(hierarchy, "/", GatewayCgroup(instance), "/", file);
      if (!moved.ok() || !PathExists(path)) continue;
      const absl::Status weighed = WriteControlFile(path, weight);
      if (!weighed.ok()) LogWarning("gateway has no weight", {{"error", weighed.ToString()}});
    }
    if (!moved.ok()) {
      LogWarning("gateway stays in the agent's cgroup",
                 {{"hierarchy", hierarchy}, {"error", moved.ToString()}});
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveGatewayCgroups(const std::string& instance) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> hierarchies, Hierarchies());
  absl::Status first;
  for (const std::string& hierarchy : hierarchies) {
    std::string directory = absl::StrCat(hierarchy, "/", GatewayCgroup(instance));
    if (rmdir(directory.c_str()) == 0 || errno == ENOENT) continue;
    first.Update(ErrnoStatus(absl::StrCat("removing ", directory)));
  }
  return first;
}

}  // namespace paddock::nodeagent
