#include "nodeagent/egress/gateway_cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"

namespace paddock::nodeagent {
namespace {

// One thread serves every sandbox of the node, each time for a moment: it mustn't wait for its turn
// behind what they compute. Ten times what a group has by itself, in cgroup v1 and v2.
constexpr std::pair<const char*, const char*> kWeights[] = {{"cpu.shares", "10240"},
                                                            {"cpu.weight", "1000"}};

// The gateway's directory in each hierarchy but cpuset and devices, which nobody is stopped by and
// which want settings before they take a process.
absl::StatusOr<std::vector<std::string>> GatewayDirectories(const std::string& instance) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<MountEntry> mounts, ReadMounts());
  std::vector<std::string> directories;
  for (const MountEntry& mount : mounts) {
    bool v2 = mount.file_system == "cgroup2";
    bool v1 = mount.file_system == "cgroup";
    if (v1 && (absl::StrContains(mount.super_options, "cpuset") ||
               absl::StrContains(mount.super_options, "devices"))) {
      continue;
    }
    if (v1 || v2) {
      directories.push_back(absl::StrCat(mount.mount_point, "/paddock-gateway-", instance));
    }
  }
  return directories;
}

}  // namespace

absl::Status EnterGatewayCgroups(const std::string& instance) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> directories, GatewayDirectories(instance));
  for (const std::string& directory : directories) {
    bool there = mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST;
    absl::Status moved = there ? WriteControlFile(absl::StrCat(directory, "/cgroup.procs"), "0")
                               : ErrnoStatus("mkdir");
    for (const auto& [file, weight] : kWeights) {
      std::string path = absl::StrCat(directory, "/", file);
      if (!there || !PathExists(path)) continue;
      absl::Status weighed = WriteControlFile(path, weight);
      if (!weighed.ok()) LogWarning("gateway has no weight", {{"error", weighed.ToString()}});
    }
    if (!moved.ok()) {
      LogWarning("gateway stays in the agent's cgroup",
                 {{"cgroup", directory}, {"error", moved.ToString()}});
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveGatewayCgroups(const std::string& instance) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> directories, GatewayDirectories(instance));
  absl::Status first;
  for (const std::string& directory : directories) {
    if (rmdir(directory.c_str()) == 0 || errno == ENOENT) continue;
    first.Update(ErrnoStatus(absl::StrCat("removing ", directory)));
  }
  return first;
}

}  // namespace paddock::nodeagent
