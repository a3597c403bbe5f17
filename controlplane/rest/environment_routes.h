#pragma once

#include <vector>

#include "controlplane/core/environment_operations.h"
#include "controlplane/rest/route.h"

namespace paddock {

// `/v1/environments`. `environments` must outlive the routes.
std::vector<Route> EnvironmentRoutes(EnvironmentOperations* environments);

}  // namespace paddock
