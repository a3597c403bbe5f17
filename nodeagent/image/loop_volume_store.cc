#include "nodeagent/image/loop_volume_store.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/file_system_usage.h"
#include "nodeagent/system/loop_device.h"
#include "nodeagent/system/mount.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::string_view kSuffix = ".ext4";

// Makes the file under another name, so that a file of this name always holds a file system.
absl::Status MakeFile(const std::string& path, int64_t bytes) {
  const std::string temporary = absl::StrCat(path, ".new");
  UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("create ", temporary));
  if (ftruncate(fd.get(), bytes) != 0) return ErrnoStatus(absl::StrCat("size ", temporary));
  PADDOCK_RETURN_IF_ERROR(RunChecked({{"mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal",
                                       "-E", "lazy_itable_init=1,nodiscard", temporary}})
                              .status());
  if (rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus("rename");
  return absl::OkStatus();
}

absl::StatusOr<bool> IsMounted(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<MountEntry> mounts, ReadMounts());
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const MountEntry& entry) { return entry.mount_point == path; });
}

}  // namespace

LoopVolumeStore::LoopVolumeStore(std::string volumes_dir) : volumes_dir_(std::move(volumes_dir)) {}

std::string LoopVolumeStore::MountPointOf(const std::string& id) const {
  return absl::StrCat(volumes_dir_, "/sessions/", id);
}

std::string LoopVolumeStore::FileOf(const std::string& id) const {
  return absl::StrCat(MountPointOf(id), kSuffix);
}

absl::StatusOr<std::string> LoopVolumeStore::Create(const std::string& id, int64_t bytes) {
  const std::string file = FileOf(id);
  const std::string path = MountPointOf(id);
  if (!PathExists(file)) PADDOCK_RETURN_IF_ERROR(MakeFile(file, bytes));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(path, 0700));
  PADDOCK_ASSIGN_OR_RETURN(const bool mounted, IsMounted(path));
  if (!mounted) {
    PADDOCK_ASSIGN_OR_RETURN(LoopDevice loop, AttachLoopDevice(file));
    if (mount(loop.path.c_str(), path.c_str(), "ext4", MS_NOATIME | MS_NODEV, "") != 0) {
      return ErrnoStatus(absl::StrCat("mount ", file));
    }
  }
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(path, "/upper"), 0755));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(path, "/work"), 0755));
  return path;
}

absl::Status LoopVolumeStore::Destroy(const std::string& id) {
  const std::string path = MountPointOf(id);
  PADDOCK_RETURN_IF_ERROR(DetachMount(path));
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(absl::StrCat("rmdir ", path));
  PADDOCK_RETURN_IF_ERROR(RemoveFile(absl::StrCat(FileOf(id), ".new")));
  return RemoveFile(FileOf(id));
}

absl::StatusOr<std::vector<std::string>> LoopVolumeStore::List() {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> names,
                           ListDirectory(absl::StrCat(volumes_dir_, "/sessions")));
  std::vector<std::string> ids;
  for (absl::string_view name : names) {
    absl::ConsumeSuffix(&name, ".new");
    absl::ConsumeSuffix(&name, kSuffix);
    ids.emplace_back(name);
  }
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

absl::StatusOr<VolumeStore::Usage> LoopVolumeStore::GetUsage(const std::string& id) {
  PADDOCK_ASSIGN_OR_RETURN(const FileSystemUsage usage, ReadFileSystemUsage(MountPointOf(id)));
  return Usage{usage.total_bytes - usage.available_bytes, usage.total_bytes};
}

absl::StatusOr<VolumeStore::Usage> LoopVolumeStore::GetFileSystemUsage() {
  PADDOCK_ASSIGN_OR_RETURN(const FileSystemUsage usage, ReadFileSystemUsage(volumes_dir_));
  return Usage{usage.total_bytes - usage.available_bytes, usage.total_bytes};
}

}  // namespace paddock::nodeagent
