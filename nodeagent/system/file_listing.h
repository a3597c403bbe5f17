#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

struct FileEntry {
  std::string name;
  int64_t size_bytes = 0;
  absl::Time modified;
};

// The regular files of a directory, the one modified longest ago first.
absl::StatusOr<std::vector<FileEntry>> ListFilesByAge(const std::string& directory);

}  // namespace paddock::nodeagent
