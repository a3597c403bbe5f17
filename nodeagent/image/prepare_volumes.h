#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace paddock::nodeagent {

// Has a btrfs with simple quotas mounted at `mount_point`, from the file `image_file`: preallocated
// to `bytes` and formatted if it is new or was only half made, attached to a loop device (found
// again by inode, so that it is never mounted twice), mounted, quotas enabled. Idempotent; a crash
// at any point is mended by the next call. On kernels without simple quotas classic ones are
// enabled. Errors: RESOURCE_EXHAUSTED when the disk can't hold the file.
absl::Status PrepareVolumes(const std::string& image_file, int64_t bytes,
                            const std::string& mount_point);

// The same for a block device that an operator gives; it must hold a btrfs or be empty (then it is
// formatted). FAILED_PRECONDITION when it holds anything else.
absl::Status PrepareVolumesOnDevice(const std::string& device, const std::string& mount_point);

// Unmounts and detaches the loop device; the data stays. OK when nothing is mounted.
// FAILED_PRECONDITION when it is still in use.
absl::Status ReleaseVolumes(const std::string& mount_point);

}  // namespace paddock::nodeagent
