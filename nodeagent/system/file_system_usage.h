#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace paddock::nodeagent {

struct FileSystemUsage {
  int64_t total_bytes = 0;
  int64_t available_bytes = 0;  // To unprivileged writers.
};

// Of the file system that `path` lies on.
absl::StatusOr<FileSystemUsage> ReadFileSystemUsage(const std::string& path);

}  // namespace paddock::nodeagent
