#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Opens a file for appending, made with mode 0600 if it is missing.
absl::StatusOr<UniqueFd> OpenForAppend(const std::string& path);

// Returns when the file's content is on disk (fdatasync).
absl::Status SyncData(int fd);

}  // namespace paddock::nodeagent
