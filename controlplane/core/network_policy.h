#pragma once

#include <optional>

#include "controlplane/core/resources.h"

namespace paddock {

// What a session of `config` with this agent may reach. With allow_mcp_servers the agent's servers
// are added, each with its URL's port (the scheme's own when it names none). A server named by an
// address is left out: limited sessions reach names only. Pure.
NetworkPolicy NetworkPolicyOf(const EnvironmentConfig& config,
                              const std::optional<AgentSnapshot>& agent);

}  // namespace paddock
