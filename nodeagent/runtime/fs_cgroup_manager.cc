#include "nodeagent/runtime/fs_cgroup_manager.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/runtime/runtime_factory.h"
#include "nodeagent/system/cgroup_fs.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr char kExecPrefix[] = "exec-";
// For tasks that are dying when their cgroup is removed.
constexpr absl::Duration kRemoveTimeout = absl::Seconds(2);

absl::Status CheckName(const std::string& name) {
  for (absl::string_view part : absl::StrSplit(name, '/')) {
    if (part.empty() || part == "." || part == "..") {
      return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" names no cgroup"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenForJoining(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  return fd;
}

bool SingleCgroupLevel(const std::string& name) { return name.find('/') == std::string::npos; }

}  // namespace

std::string FsCgroupManager::Directory(const CgroupHierarchy& hierarchy,
                                       const std::string& name) const {
  return absl::StrCat(hierarchy.mount_point, "/", subtree_, name.empty() ? "" : "/", name);
}

std::string FsCgroupManager::File(const std::string& name, const char* controller,
                                  const char* v1_file, const char* v2_file) const {
  const CgroupHierarchy* hierarchy = layout_.Find(controller);
  if (hierarchy == nullptr) return "";
  return absl::StrCat(Directory(*hierarchy, name), "/", hierarchy->v2 ? v2_file : v1_file);
}

absl::Status FsCgroupManager::MakeSubtree(const CgroupHierarchy& hierarchy) const {
  std::string dir = hierarchy.mount_point;
  std::string enable;
  for (const char* controller : {"cpu", "memory", "pids", "io"}) {
    if (hierarchy.v2 && hierarchy.Has(controller)) absl::StrAppend(&enable, "+", controller, " ");
  }
  for (absl::string_view part : absl::StrSplit(subtree_, '/')) {
    if (hierarchy.v2) {
      PADDOCK_RETURN_IF_ERROR(
          WriteControlFile(absl::StrCat(dir, "/cgroup.subtree_control"), enable));
    }
    absl::StrAppend(&dir, "/", part);
    PADDOCK_RETURN_IF_ERROR(MakeDirectories(dir));
  }
  if (!hierarchy.v2) return absl::OkStatus();
  return WriteControlFile(absl::StrCat(dir, "/cgroup.subtree_control"), enable);
}

absl::Status FsCgroupManager::Apply(const CgroupHierarchy& hierarchy, const std::string& dir,
                                    const std::vector<CgroupSetting>& settings) const {
  for (const CgroupSetting& setting : settings) {
    if (!hierarchy.Has(setting.controller)) continue;
    const absl::Status status =
        WriteControlFile(absl::StrCat(dir, "/", setting.file), setting.value);
    if (!status.ok() && !setting.optional) return status;
  }
  return absl::OkStatus();
}

// Weights for io need a scheduler that knows them; without one, a cgroup there only costs time.
void FsCgroupManager::DropUselessHierarchies() {
  const std::string kill = layout_.kill().mount_point;
  auto useless = [this](const CgroupHierarchy& hierarchy) {
    return hierarchy.controllers == std::vector<std::string>{"blkio"} &&
           !PathExists(absl::StrCat(Directory(hierarchy, ""), "/blkio.weight")) &&
           !PathExists(absl::StrCat(Directory(hierarchy, ""), "/blkio.bfq.weight"));
  };
  for (auto it = layout_.used.begin(); it != layout_.used.end();) {
    if (useless(*it)) {
      RemoveCgroup(Directory(*it, ""), absl::ZeroDuration()).IgnoreError();
      it = layout_.used.erase(it);
    } else {
      ++it;
    }
  }
  for (size_t i = 0; i < layout_.used.size(); ++i) {
    if (layout_.used[i].mount_point == kill) layout_.kill_index = i;
  }
}

absl::Status FsCgroupManager::Prepare(const SandboxLimits& capacity) {
  PADDOCK_RETURN_IF_ERROR(CheckName(subtree_));
  for (const CgroupHierarchy& hierarchy : layout_.used) {
    PADDOCK_RETURN_IF_ERROR(MakeSubtree(hierarchy));
    PADDOCK_RETURN_IF_ERROR(
        Apply(hierarchy, Directory(hierarchy, ""),
              hierarchy.v2 ? SubtreeSettingsV2(capacity) : SubtreeSettingsV1(capacity)));
    if (!hierarchy.v2) continue;
    if (absl::Status favored = FavorDynamicModifications(hierarchy.mount_point); !favored.ok()) {
      LogWarning("commands will start slowly", {{"reason", favored.ToString()}});
    }
  }
  DropUselessHierarchies();
  absl::MutexLock lock(&mutex_);
  capacity_ = capacity;
  return absl::OkStatus();
}

absl::Status FsCgroupManager::LeaveOwnCgroups() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts, ReadMounts());
  for (const MountEntry& mount : mounts) {
    if (mount.file_system != "cgroup" && mount.file_system != "cgroup2") continue;
    const bool used =
        std::any_of(layout_.used.begin(), layout_.used.end(),
                    [&](const CgroupHierarchy& h) { return h.mount_point == mount.mount_point; });
    if (!used) PADDOCK_RETURN_IF_ERROR(EnterCgroup(mount.mount_point, subtree_));
  }
  return absl::OkStatus();
}

absl::Status FsCgroupManager::Create(const std::string& name, const SandboxLimits& limits) {
  PADDOCK_RETURN_IF_ERROR(CheckName(name));
  SandboxLimits bounded = limits;
  {
    absl::MutexLock lock(&mutex_);
    // v1 refuses a child with more cpu than its parent.
    if (capacity_.cpu_millis > 0) {
      bounded.cpu_millis = std::min(bounded.cpu_millis, capacity_.cpu_millis);
    }
  }
  auto undo = absl::MakeCleanup([this, &name] { Remove(name).IgnoreError(); });
  for (const CgroupHierarchy& hierarchy : layout_.used) {
    const std::string dir = Directory(hierarchy, name);
    if (absl::Status made = MakeCgroup(dir); !made.ok()) {
      // What is in use already isn't ours to remove.
      if (absl::IsAlreadyExists(made)) std::move(undo).Cancel();
      return made;
    }
    PADDOCK_RETURN_IF_ERROR(Apply(
        hierarchy, dir, hierarchy.v2 ? SandboxSettingsV2(bounded) : SandboxSettingsV1(bounded)));
  }
  std::move(undo).Cancel();
  return absl::OkStatus();
}

std::string FsCgroupManager::PathInHierarchy(const std::string& name) {
  return absl::StrCat("/", subtree_, "/", name);
}

absl::StatusOr<CgroupEntry> FsCgroupManager::OpenForSpawn(const std::string& name) {
  PADDOCK_RETURN_IF_ERROR(CheckName(name));
  CgroupEntry entry;
  for (const CgroupHierarchy& hierarchy : layout_.used) {
    const std::string dir = Directory(hierarchy, name);
    if (hierarchy.v2) {
      PADDOCK_ASSIGN_OR_RETURN(entry.v2_dir, OpenDirectory(dir));
    } else {
      PADDOCK_ASSIGN_OR_RETURN(UniqueFd tasks, OpenForJoining(absl::StrCat(dir, "/tasks")));
      entry.join_files.push_back(std::move(tasks));
    }
  }
  return entry;
}

absl::StatusOr<int> FsCgroupManager::CreateExec(const std::string& session,
                                                const std::string& exec_id) {
  const std::string name = absl::StrCat(session, "/", kExecPrefix, exec_id);
  PADDOCK_RETURN_IF_ERROR(CheckName(name));
  const CgroupHierarchy& hierarchy = layout_.kill();
  const std::string dir = Directory(hierarchy, name);
  PADDOCK_RETURN_IF_ERROR(MakeCgroup(dir));
  // v1's `tasks` moves the writing thread alone, without the lock that makes cgroup.procs slow.
  absl::StatusOr<UniqueFd> fd =
      OpenForJoining(absl::StrCat(dir, hierarchy.v2 ? "/cgroup.procs" : "/tasks"));
  if (!fd.ok()) {
    RemoveCgroup(dir, absl::ZeroDuration()).IgnoreError();
    return fd.status();
  }
  return fd->release();
}

absl::Status FsCgroupManager::Kill(const std::string& name, absl::Duration timeout) {
  PADDOCK_RETURN_IF_ERROR(CheckName(name));
  const std::string dir = Directory(layout_.kill(), name);
  return layout_.kill().v2 ? KillCgroupV2(dir, timeout) : KillCgroupV1(dir, timeout);
}

absl::Status FsCgroupManager::Remove(const std::string& name) {
  PADDOCK_RETURN_IF_ERROR(CheckName(name));
  // Execs have a cgroup in one hierarchy only.
  if (!SingleCgroupLevel(name)) {
    return RemoveCgroup(Directory(layout_.kill(), name), kRemoveTimeout);
  }
  absl::Status first;
  for (const CgroupHierarchy& hierarchy : layout_.used) {
    first.Update(RemoveCgroup(Directory(hierarchy, name), kRemoveTimeout));
  }
  return first;
}

bool FsCgroupManager::IsEmpty(const std::string& name) {
  const absl::StatusOr<std::vector<pid_t>> pids =
      ReadCgroupProcesses(Directory(layout_.kill(), name));
  return pids.ok() && pids->empty();
}

absl::StatusOr<std::vector<std::string>> FsCgroupManager::ListExecs(const std::string& session) {
  PADDOCK_RETURN_IF_ERROR(CheckName(session));
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> children,
                           ListCgroups(Directory(layout_.kill(), session)));
  std::vector<std::string> ids;
  for (absl::string_view child : children) {
    if (absl::ConsumePrefix(&child, kExecPrefix)) ids.emplace_back(child);
  }
  return ids;
}

absl::StatusOr<std::vector<std::string>> FsCgroupManager::List() {
  std::set<std::string> names;
  for (const CgroupHierarchy& hierarchy : layout_.used) {
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> children,
                             ListCgroups(Directory(hierarchy, "")));
    names.insert(children.begin(), children.end());
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<CgroupUsage> FsCgroupManager::Usage(const std::string& name) {
  PADDOCK_RETURN_IF_ERROR(CheckName(name));
  if (!PathExists(Directory(layout_.kill(), name))) {
    return absl::NotFoundError(absl::StrCat("no cgroup ", name));
  }
  CgroupUsage usage;
  usage.memory_bytes =
      ReadCgroupNumber(File(name, "memory", "memory.usage_in_bytes", "memory.current"), 0);
  usage.oom_kills =
      ReadCgroupCounter(File(name, "memory", "memory.oom_control", "memory.events"), "oom_kill", 0);
  usage.pids = ReadCgroupNumber(File(name, "pids", "pids.current", "pids.current"), 0);
  usage.pids_refused =
      ReadCgroupCounter(File(name, "pids", "pids.events", "pids.events"), "max", 0);
  const CgroupHierarchy* cpu = layout_.Find("cpu");
  if (cpu != nullptr && cpu->v2) {
    usage.cpu_usec = ReadCgroupCounter(File(name, "cpu", "", "cpu.stat"), "usage_usec", -1);
  } else if (layout_.Find("cpuacct") != nullptr) {
    const int64_t nanoseconds =
        ReadCgroupNumber(File(name, "cpuacct", "cpuacct.usage", "cpu.stat"), -1);
    usage.cpu_usec = nanoseconds < 0 ? -1 : nanoseconds / 1000;
  }
  return usage;
}

absl::Status FsCgroupManager::RemoveSubtreeAt(const std::string& mount_point) const {
  PADDOCK_RETURN_IF_ERROR(RemoveCgroup(absl::StrCat(mount_point, "/", subtree_), kRemoveTimeout));
  // Parents serve other agents as long as they hold anything.
  std::string parent = subtree_;
  for (size_t slash = parent.rfind('/'); slash != std::string::npos; slash = parent.rfind('/')) {
    parent.resize(slash);
    const std::string dir = absl::StrCat(mount_point, "/", parent);
    const absl::StatusOr<std::vector<std::string>> others = ListCgroups(dir);
    if (!others.ok() || !others->empty()) break;
    RemoveCgroup(dir, absl::ZeroDuration()).IgnoreError();
  }
  return absl::OkStatus();
}

absl::Status FsCgroupManager::RemoveSubtree() {
  PADDOCK_RETURN_IF_ERROR(CheckName(subtree_));
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> sessions, List());
  if (!sessions.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(sessions.size(), " sessions are left in the cgroup ", subtree_));
  }
  for (const CgroupHierarchy& hierarchy : layout_.used) {
    PADDOCK_RETURN_IF_ERROR(RemoveSubtreeAt(hierarchy.mount_point));
  }
  for (const std::string& mount_point : other_mounts_) {
    PADDOCK_RETURN_IF_ERROR(RemoveSubtreeAt(mount_point));
  }
  return absl::OkStatus();
}

std::vector<std::string> FsCgroupManager::Directories(const std::string& name) {
  std::vector<std::string> dirs;
  for (const CgroupHierarchy& hierarchy : layout_.used) dirs.push_back(Directory(hierarchy, name));
  return dirs;
}

absl::StatusOr<std::unique_ptr<CgroupManager>> MakeCgroupManager(const std::string& subtree) {
  PADDOCK_ASSIGN_OR_RETURN(CgroupLayout layout, DetectCgroupLayout());
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts, ReadMounts());
  std::vector<std::string> others;
  for (const MountEntry& mount : mounts) {
    if (mount.file_system != "cgroup" && mount.file_system != "cgroup2") continue;
    const bool used =
        std::any_of(layout.used.begin(), layout.used.end(),
                    [&](const CgroupHierarchy& h) { return h.mount_point == mount.mount_point; });
    if (!used) others.push_back(mount.mount_point);
  }
  return std::make_unique<FsCgroupManager>(std::move(layout), subtree, std::move(others));
}

}  // namespace paddock::nodeagent
