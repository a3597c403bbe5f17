#pragma once

#include <string>

#include "absl/status/status.h"

namespace paddock::nodeagent {

// A cgroup of the gateway's own, at the top of every hierarchy, so that stopping the agent's
// service, pod or cgroup leaves the gateway alone; with a weight by which it gets the processor at
// once.

// Moves the calling process there, where the hierarchy lets it.
absl::Status EnterGatewayCgroups(const std::string& instance);
// Removes the cgroups; whoever was in them has to be gone. OK if they aren't there.
absl::Status RemoveGatewayCgroups(const std::string& instance);

}  // namespace paddock::nodeagent
