#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace paddock::nodeagent {

// How a btrfs accounts for its subvolumes. Simple quotas (kernel 6.7) charge an extent to the
// subvolume that wrote it and cost nothing to speak of; classic ones find out who shares what.
enum class BtrfsQuota { kNone, kClassic, kSimple };

// Whether `path` lies on a btrfs.
bool IsBtrfs(const std::string& path);

// The quota mode of the file system at `path`.
absl::StatusOr<BtrfsQuota> GetBtrfsQuota(const std::string& path);

// Enables simple quotas, or classic ones where the kernel has no simple ones. OK when one is on
// already (it stays as it is).
absl::Status EnableBtrfsQuota(const std::string& path);

// Makes the subvolume <parent>/<name>. ALREADY_EXISTS when something is there.
absl::Status CreateSubvolume(const std::string& parent, const std::string& name);

// Removes the subvolume <parent>/<name> with all that is in it; the kernel frees its space later.
// NOT_FOUND when it isn't there.
absl::Status DestroySubvolume(const std::string& parent, const std::string& name);

// The subvolume's number, which its quota group bears too.
absl::StatusOr<uint64_t> SubvolumeId(const std::string& path);

// Bounds what the subvolume at `path` may hold, in bytes.
absl::Status LimitSubvolume(const std::string& path, int64_t bytes);

struct SubvolumeUsage {
  int64_t used_bytes = 0;
  int64_t limit_bytes = 0;  // 0: none.
};
absl::StatusOr<SubvolumeUsage> GetSubvolumeUsage(const std::string& path);

// Removes the quota group of a destroyed subvolume. OK when it is gone (newer kernels do it
// themselves); FAILED_PRECONDITION while its space is still being freed.
absl::Status RemoveQuotaGroup(const std::string& file_system, uint64_t subvolume_id);

// Has new files of the subvolume that `directory` lies in numbered from `first` on. Takes some
// microseconds a number the first time, nothing later.
absl::Status SkipInodes(const std::string& directory, uint64_t first);

}  // namespace paddock::nodeagent
