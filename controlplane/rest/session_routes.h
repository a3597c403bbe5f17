#pragma once

#include <vector>

#include "common/thread_pool.h"
#include "controlplane/core/sessions.h"
#include "controlplane/rest/route.h"

namespace paddock {

// `/v1/sessions`, with resources and events. Subscriptions of streams end on `pool`. Both must
// outlive the routes and every stream.
std::vector<Route> SessionRoutes(SessionOperations* sessions, ThreadPool* pool);

}  // namespace paddock
