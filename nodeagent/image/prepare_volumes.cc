#include "nodeagent/image/prepare_volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/system/btrfs.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/loop_device.h"
#include "nodeagent/system/mount.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

// What is mounted there, but for the directory itself (ShareMountPoint).
absl::StatusOr<std::optional<MountEntry>> FindMount(const std::string& mount_point) {
  struct stat here, above;
  if (stat(mount_point.c_str(), &here) != 0 || stat((mount_point + "/..").c_str(), &above) != 0) {
    return std::nullopt;
  }
  if (here.st_dev == above.st_dev) return std::nullopt;
  PADDOCK_ASSIGN_OR_RETURN(std::vector<MountEntry> mounts, ReadMounts());
  std::optional<MountEntry> found;
  for (const MountEntry& entry : mounts) {
    if (entry.mount_point == mount_point) found = entry;
  }
  return found;
}

// Never a discard: it would punch holes into the file, and a sparse file that outgrows its disk
// turns read-only for every session.
absl::Status MakeFileSystem(const std::string& path) {
  SubprocessOptions options;
  options.timeout = absl::Minutes(2);
  return RunChecked({{"mkfs.btrfs", "--quiet", "--nodiscard", "--metadata", "single", path}},
                    options)
      .status();
}

// Makes the file under another name, so that a file of this name is always whole.
absl::Status MakeImageFile(const std::string& image_file, int64_t bytes) {
  const std::string temporary = absl::StrCat(image_file, ".new");
  PADDOCK_RETURN_IF_ERROR(RemoveFile(temporary));
  {
    UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.valid()) return ErrnoStatus(absl::StrCat("create ", temporary));
    if (fallocate(fd.get(), 0, 0, bytes) != 0) {
      const absl::Status status =
          ErrnoStatus(absl::StrCat("preallocate ", bytes, " bytes for ", image_file));
      RemoveFile(temporary).IgnoreError();
      return status;
    }
  }
  PADDOCK_RETURN_IF_ERROR(MakeFileSystem(temporary));
  UniqueFd fd(open(temporary.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoStatus(absl::StrCat("sync ", temporary));
  if (rename(temporary.c_str(), image_file.c_str()) != 0) return ErrnoStatus("rename");
  return SyncDirectory(image_file.substr(0, image_file.find_last_of('/')));
}

absl::Status MountAndEnableQuota(const std::string& device, const std::string& mount_point) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(mount_point, 0700));
  PADDOCK_RETURN_IF_ERROR(ShareMountPoint(mount_point));
  if (mount(device.c_str(), mount_point.c_str(), "btrfs", MS_NOATIME | MS_NODEV, "nodiscard") !=
      0) {
    if (errno == ENODEV) {
      return absl::FailedPreconditionError(absl::StrCat(
          "mount ", device, ": this kernel has no btrfs (CONFIG_BTRFS_FS); volumes need it"));
    }
    return ErrnoStatus(absl::StrCat("mount ", device, " on ", mount_point));
  }
  return EnableBtrfsQuota(mount_point);
}

// The type of the file system on a device, empty for none.
absl::StatusOr<std::string> Probe(const std::string& device) {
  PADDOCK_ASSIGN_OR_RETURN(
      SubprocessResult result,
      RunSubprocess({{"blkid", "--probe", "--output", "value", "--match-tag", "TYPE", device}}));
  constexpr int kNothingFound = 2;
  if (result.exit_code == kNothingFound) return "";
  if (!result.ok()) return SubprocessError("blkid", result);
  return result.stdout_data.substr(0, result.stdout_data.find('\n'));
}

}  // namespace

absl::Status PrepareVolumes(const std::string& image_file, int64_t bytes,
                            const std::string& mount_point) {
  PADDOCK_ASSIGN_OR_RETURN(const std::optional<MountEntry> mounted, FindMount(mount_point));
  if (mounted.has_value()) {
    if (mounted->file_system != "btrfs") {
      return absl::FailedPreconditionError(
          absl::StrCat(mount_point, " has a ", mounted->file_system, " mounted, not btrfs"));
    }
    return EnableBtrfsQuota(mount_point);
  }
  if (!PathExists(image_file)) PADDOCK_RETURN_IF_ERROR(MakeImageFile(image_file, bytes));
  PADDOCK_ASSIGN_OR_RETURN(LoopDevice loop, AttachLoopDevice(image_file));
  return MountAndEnableQuota(loop.path, mount_point);
}

absl::Status PrepareVolumesOnDevice(const std::string& device, const std::string& mount_point) {
  PADDOCK_ASSIGN_OR_RETURN(const std::optional<MountEntry> mounted, FindMount(mount_point));
  if (mounted.has_value()) return EnableBtrfsQuota(mount_point);
  PADDOCK_ASSIGN_OR_RETURN(const std::string type, Probe(device));
  if (type.empty()) {
    PADDOCK_RETURN_IF_ERROR(MakeFileSystem(device));
  } else if (type != "btrfs") {
    return absl::FailedPreconditionError(
        absl::StrCat(device, " holds a ", type, "; give an empty device or a btrfs"));
  }
  return MountAndEnableQuota(device, mount_point);
}

absl::Status ReleaseVolumes(const std::string& mount_point) {
  PADDOCK_ASSIGN_OR_RETURN(const std::optional<MountEntry> mounted, FindMount(mount_point));
  if (!mounted.has_value()) return DetachMount(mount_point);
  // The loop device detaches by itself with the last mount.
  if (umount2(mount_point.c_str(), UMOUNT_NOFOLLOW) == 0) return DetachMount(mount_point);
  if (errno == EBUSY) {
    return absl::FailedPreconditionError(absl::StrCat(mount_point, " is still in use"));
  }
  return ErrnoStatus(absl::StrCat("unmount ", mount_point));
}

}  // namespace paddock::nodeagent
