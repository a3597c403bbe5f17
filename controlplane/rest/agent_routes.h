#pragma once

#include <vector>

#include "controlplane/core/agent_operations.h"
#include "controlplane/rest/route.h"

namespace paddock {

// `/v1/agents`. `agents` must outlive the routes.
std::vector<Route> AgentRoutes(AgentOperations* agents);

}  // namespace paddock
