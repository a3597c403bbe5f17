#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// A copy of an executable in memory that nobody can change any more; execute it by its descriptor
// (SpawnSpec::program_fd). OCI runtimes make such a copy of themselves at every start and execute
// themselves anew, so that a sandbox can't write to the host's file; given one, they don't. Not
// for scripts.
absl::StatusOr<UniqueFd> SealProgram(const std::string& path);

}  // namespace paddock::nodeagent
