#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace paddock::nodeagent {

// Bounded storage of sessions, one volume each. Implementations: btrfs subvolumes with simple
// quotas, btrfs with classic quotas, project quotas, loop-mounted ext4 (image/). Thread-safe.
// Contract tests: volume_store_contract.
class VolumeStore {
 public:
  virtual ~VolumeStore() = default;

  // For the node's status: "btrfs-simple-quota", "btrfs-qgroup", "project-quota", "loop-ext4".
  virtual std::string backend() const = 0;

  // Makes <volumes>/sessions/<id> with upper/ and work/, bounded to `bytes`; writes past that fail
  // with EDQUOT or ENOSPC. If it is there already (a restart), its bound is set and its content
  // kept. Errors: RESOURCE_EXHAUSTED when the node's disk is full.
  virtual absl::StatusOr<std::string> Create(const std::string& id, int64_t bytes) = 0;

  // Removes the volume and its quota; OK if it isn't there. Space may come back later.
  virtual absl::Status Destroy(const std::string& id) = 0;

  virtual absl::StatusOr<std::vector<std::string>> List() = 0;

  // Bytes in use, as of the file system's last commit (up to half a minute ago), and the bound.
  struct Usage {
    int64_t used_bytes = 0;
    int64_t limit_bytes = 0;
  };
  virtual absl::StatusOr<Usage> GetUsage(const std::string& id) = 0;

  // Free and total bytes of the whole file system, space that is still coming back counted as used.
  virtual absl::StatusOr<Usage> GetFileSystemUsage() = 0;
};

}  // namespace paddock::nodeagent
