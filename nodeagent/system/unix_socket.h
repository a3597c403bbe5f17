#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// A listening AF_UNIX SOCK_SEQPACKET socket at `path`, accessible to root alone; a file that is
// there is replaced. Paths longer than the kernel's 107 bytes are fine.
absl::StatusOr<UniqueFd> ListenSeqpacket(const std::string& path);

}  // namespace paddock::nodeagent
