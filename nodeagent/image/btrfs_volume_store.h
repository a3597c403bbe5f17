#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/image/volume_store.h"
#include "nodeagent/system/btrfs.h"

namespace paddock::nodeagent {

// A btrfs subvolume a session, bounded by its quota group: made, limited and destroyed in
// microseconds. Thread-safe.
class BtrfsVolumeStore : public VolumeStore {
 public:
  // `volumes_dir` lies on a btrfs with `quota` enabled.
  BtrfsVolumeStore(std::string volumes_dir, BtrfsQuota quota);

  std::string backend() const override;
  absl::StatusOr<std::string> Create(const std::string& id, int64_t bytes) override;
  absl::Status Destroy(const std::string& id) override;
  absl::StatusOr<std::vector<std::string>> List() override;
  absl::StatusOr<Usage> GetUsage(const std::string& id) override;
  absl::StatusOr<Usage> GetFileSystemUsage() override;

 private:
  std::string PathOf(const std::string& id) const;
  // Removes the quota groups of destroyed subvolumes whose space has come back by now.
  void SweepQuotaGroups();

  const std::string volumes_dir_;
  const std::string sessions_dir_;
  const BtrfsQuota quota_;
  absl::Mutex mutex_;
  std::vector<uint64_t> destroyed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
