#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// A block device made of a file. It detaches by itself when the last user (a mount or `fd`) is
// gone, so a crash leaves none behind.
struct LoopDevice {
  std::string path;  // /dev/loopN
  UniqueFd fd;
};

// The loop device of `file`: the one that it is attached to already (found by device and inode), or
// a new one. So a file is never attached twice.
absl::StatusOr<LoopDevice> AttachLoopDevice(const std::string& file);

}  // namespace paddock::nodeagent
