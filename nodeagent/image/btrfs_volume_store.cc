#include "nodeagent/image/btrfs_volume_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/file_system_usage.h"

namespace paddock::nodeagent {
namespace {

// Quota groups that are looked at in one go; each costs a system call.
constexpr size_t kSweepBatch = 16;

}  // namespace

BtrfsVolumeStore::BtrfsVolumeStore(std::string volumes_dir, BtrfsQuota quota)
    : volumes_dir_(std::move(volumes_dir)),
      sessions_dir_(absl::StrCat(volumes_dir_, "/sessions")),
      quota_(quota) {}

std::string BtrfsVolumeStore::backend() const {
  return quota_ == BtrfsQuota::kSimple ? "btrfs-simple-quota" : "btrfs-qgroup";
}

std::string BtrfsVolumeStore::PathOf(const std::string& id) const {
  return absl::StrCat(sessions_dir_, "/", id);
}

absl::StatusOr<std::string> BtrfsVolumeStore::Create(const std::string& id, int64_t bytes) {
  const absl::Status created = CreateSubvolume(sessions_dir_, id);
  if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
  const std::string path = PathOf(id);
  PADDOCK_RETURN_IF_ERROR(LimitSubvolume(path, bytes));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(path, "/upper"), 0755));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(path, "/work"), 0755));
  return path;
}

absl::Status BtrfsVolumeStore::Destroy(const std::string& id) {
  const absl::StatusOr<uint64_t> subvolume = SubvolumeId(PathOf(id));
  const absl::Status destroyed = DestroySubvolume(sessions_dir_, id);
  if (absl::IsNotFound(destroyed)) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(destroyed);
  if (subvolume.ok()) {
    absl::MutexLock lock(&mutex_);
    destroyed_.push_back(*subvolume);
  }
  SweepQuotaGroups();
  return absl::OkStatus();
}

void BtrfsVolumeStore::SweepQuotaGroups() {
  std::vector<uint64_t> batch;
  {
    absl::MutexLock lock(&mutex_);
    const size_t count = std::min(kSweepBatch, destroyed_.size());
    batch.assign(destroyed_.begin(), destroyed_.begin() + static_cast<ptrdiff_t>(count));
    destroyed_.erase(destroyed_.begin(), destroyed_.begin() + static_cast<ptrdiff_t>(count));
  }
  for (uint64_t id : batch) {
    if (RemoveQuotaGroup(volumes_dir_, id).ok()) continue;
    absl::MutexLock lock(&mutex_);
    destroyed_.push_back(id);
  }
}

absl::StatusOr<std::vector<std::string>> BtrfsVolumeStore::List() {
  return ListDirectory(sessions_dir_);
}

absl::StatusOr<VolumeStore::Usage> BtrfsVolumeStore::GetUsage(const std::string& id) {
  PADDOCK_ASSIGN_OR_RETURN(const SubvolumeUsage usage, GetSubvolumeUsage(PathOf(id)));
  return Usage{usage.used_bytes, usage.limit_bytes};
}

absl::StatusOr<VolumeStore::Usage> BtrfsVolumeStore::GetFileSystemUsage() {
  // btrfs counts the extents of a destroyed subvolume as used until its cleaner has freed them.
  PADDOCK_ASSIGN_OR_RETURN(const FileSystemUsage usage, ReadFileSystemUsage(volumes_dir_));
  return Usage{usage.total_bytes - usage.available_bytes, usage.total_bytes};
}

}  // namespace paddock::nodeagent
