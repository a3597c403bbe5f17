#include "nodeagent/system/btrfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

// Debian 12's headers are older than simple quotas.
constexpr uint64_t kQuotaEnable = 1;
constexpr uint64_t kQuotaEnableSimple = 4;
constexpr uint64_t kQuotaStatusFlagOn = 1ULL << 0;
constexpr uint64_t kQuotaStatusFlagSimple = 1ULL << 3;

absl::Status QuotaCommand(int fd, uint64_t command) {
  btrfs_ioctl_quota_ctl_args args = {};
  args.cmd = command;
  if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) != 0) return ErrnoStatus("BTRFS_IOC_QUOTA_CTL");
  return absl::OkStatus();
}

template <size_t n>
absl::Status CopyName(const std::string& name, char (&out)[n]) {
  if (name.empty() || name.size() >= n || name.find('/') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("bad subvolume name: ", name));
  }
  memcpy(out, name.c_str(), name.size() + 1);
  return absl::OkStatus();
}

// Copies the item (object 0, `type`, `offset`) of the quota tree into `out`; NOT_FOUND without one.
absl::Status ReadQuotaItem(int fd, uint32_t type, uint64_t offset, void* out, size_t size) {
  btrfs_ioctl_search_args args = {};
  args.key.tree_id = BTRFS_QUOTA_TREE_OBJECTID;
  args.key.min_type = args.key.max_type = type;
  args.key.min_offset = args.key.max_offset = offset;
  args.key.max_transid = UINT64_MAX;
  args.key.nr_items = 1;
  if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) != 0) return ErrnoStatus("BTRFS_IOC_TREE_SEARCH");
  btrfs_ioctl_search_header header;
  memcpy(&header, args.buf, sizeof(header));
  if (args.key.nr_items != 1 || header.type != type || header.offset != offset ||
      header.len < size) {
    return absl::NotFoundError("no such quota item");
  }
  memcpy(out, args.buf + sizeof(header), size);
  return absl::OkStatus();
}

}  // namespace

bool IsBtrfs(const std::string& path) {
  struct statfs stats;
  return statfs(path.c_str(), &stats) == 0 && stats.f_type == BTRFS_SUPER_MAGIC;
}

absl::StatusOr<BtrfsQuota> GetBtrfsQuota(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  btrfs_qgroup_status_item item;
  const absl::Status status = ReadQuotaItem(fd.get(), BTRFS_QGROUP_STATUS_KEY, 0, &item,
                                            offsetof(btrfs_qgroup_status_item, rescan));
  if (absl::IsNotFound(status)) return BtrfsQuota::kNone;
  PADDOCK_RETURN_IF_ERROR(status);
  const uint64_t flags = le64toh(item.flags);
  if ((flags & kQuotaStatusFlagOn) == 0) return BtrfsQuota::kNone;
  return (flags & kQuotaStatusFlagSimple) != 0 ? BtrfsQuota::kSimple : BtrfsQuota::kClassic;
}

absl::Status EnableBtrfsQuota(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(const BtrfsQuota quota, GetBtrfsQuota(path));
  if (quota != BtrfsQuota::kNone) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  if (QuotaCommand(fd.get(), kQuotaEnableSimple).ok()) return absl::OkStatus();
  return QuotaCommand(fd.get(), kQuotaEnable);
}

absl::Status CreateSubvolume(const std::string& parent, const std::string& name) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(parent));
  btrfs_ioctl_vol_args args = {};
  PADDOCK_RETURN_IF_ERROR(CopyName(name, args.name));
  if (ioctl(fd.get(), BTRFS_IOC_SUBVOL_CREATE, &args) != 0) {
    return ErrnoStatus(absl::StrCat("create subvolume ", parent, "/", name));
  }
  return absl::OkStatus();
}

absl::Status DestroySubvolume(const std::string& parent, const std::string& name) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(parent));
  btrfs_ioctl_vol_args args = {};
  PADDOCK_RETURN_IF_ERROR(CopyName(name, args.name));
  if (ioctl(fd.get(), BTRFS_IOC_SNAP_DESTROY, &args) != 0) {
    return ErrnoStatus(absl::StrCat("destroy subvolume ", parent, "/", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SubvolumeId(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  btrfs_ioctl_ino_lookup_args args = {};
  args.objectid = BTRFS_FIRST_FREE_OBJECTID;
  if (ioctl(fd.get(), BTRFS_IOC_INO_LOOKUP, &args) != 0) {
    return ErrnoStatus(absl::StrCat("look up the subvolume of ", path));
  }
  return args.treeid;
}

absl::Status LimitSubvolume(const std::string& path, int64_t bytes) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  btrfs_ioctl_qgroup_limit_args args = {};
  args.qgroupid = 0;  // The subvolume of the descriptor.
  args.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER;
  args.lim.max_rfer = static_cast<uint64_t>(bytes);
  if (ioctl(fd.get(), BTRFS_IOC_QGROUP_LIMIT, &args) != 0) {
    return ErrnoStatus(absl::StrCat("limit ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<SubvolumeUsage> GetSubvolumeUsage(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(const uint64_t id, SubvolumeId(path));
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  btrfs_qgroup_info_item info;
  PADDOCK_RETURN_IF_ERROR(ReadQuotaItem(fd.get(), BTRFS_QGROUP_INFO_KEY, id, &info, sizeof(info)));
  SubvolumeUsage usage;
  usage.used_bytes = static_cast<int64_t>(le64toh(info.rfer));
  btrfs_qgroup_limit_item limit;
  const absl::Status status =
      ReadQuotaItem(fd.get(), BTRFS_QGROUP_LIMIT_KEY, id, &limit, sizeof(limit));
  if (status.ok()) {
    usage.limit_bytes = static_cast<int64_t>(le64toh(limit.max_rfer));
  } else if (!absl::IsNotFound(status)) {
    return status;
  }
  return usage;
}

absl::Status SkipInodes(const std::string& directory, uint64_t first) {
  // It stays: after the next mount the kernel counts on from the highest number in use.
  const std::string keeper = absl::StrCat(directory, "/.inodes");
  while (true) {
    const UniqueFd fd(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!fd.valid()) return ErrnoStatus(absl::StrCat("make a file in ", directory));
    struct stat st;
    if (fstat(fd.get(), &st) != 0) return ErrnoStatus("fstat");
    if (st.st_ino >= first) break;
  }
  if (PathExists(keeper)) return absl::OkStatus();
  return WriteFileAtomically(keeper, "keeps the numbers of files above those of sandboxes\n");
}

absl::Status RemoveQuotaGroup(const std::string& file_system, uint64_t subvolume_id) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(file_system));
  btrfs_ioctl_qgroup_create_args args = {};
  args.create = 0;
  args.qgroupid = subvolume_id;
  if (ioctl(fd.get(), BTRFS_IOC_QGROUP_CREATE, &args) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  if (errno == EBUSY) return absl::FailedPreconditionError("space is still being freed");
  return ErrnoStatus(absl::StrCat("remove quota group 0/", subvolume_id));
}

}  // namespace paddock::nodeagent
