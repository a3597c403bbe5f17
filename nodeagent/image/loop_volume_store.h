#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nodeagent/image/volume_store.h"

namespace paddock::nodeagent {

// An ext4 in a sparse file a session, loop-mounted: works on every file system, costs about 50 ms a
// start. <sessions>/<id>.ext4 is mounted on <sessions>/<id>. Thread-safe.
class LoopVolumeStore : public VolumeStore {
 public:
  explicit LoopVolumeStore(std::string volumes_dir);

  std::string backend() const override { return "loop-ext4"; }
  absl::StatusOr<std::string> Create(const std::string& id, int64_t bytes) override;
  absl::Status Destroy(const std::string& id) override;
  absl::StatusOr<std::vector<std::string>> List() override;
  absl::StatusOr<Usage> GetUsage(const std::string& id) override;
  absl::StatusOr<Usage> GetFileSystemUsage() override;

 private:
  std::string MountPointOf(const std::string& id) const;
  std::string FileOf(const std::string& id) const;

  const std::string volumes_dir_;
};

}  // namespace paddock::nodeagent
