#pragma once

#include "absl/status/status.h"
#include "nodeagent/agent_flags.h"

namespace paddock::nodeagent {

// Takes an agent that doesn't run off this machine: ends its sessions and its gateway process,
// removes containers, namespaces, rules, mounts and cgroups, unmounts the volumes. What is on disk
// stays, but records of what was removed. Idempotent; goes on after a failure and returns the first
// one. FAILED_PRECONDITION while the agent runs.
absl::Status CleanUpNode(const AgentFlags& flags);

}  // namespace paddock::nodeagent
