#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "nodeagent/net/pair_protocol.h"

namespace paddock::nodeagent {

// A user namespace that belongs to uid `uid_base` and maps 0..65535 to the 65,536 ids from there,
// and a network namespace inside it. Only for a single-threaded process with full capabilities and
// SIGCHLD ignored.
absl::StatusOr<PairFds> MakeNamespaces(uint32_t uid_base);

}  // namespace paddock::nodeagent
