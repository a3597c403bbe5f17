#pragma once

#include <chrono>

#include "controlplane/api/async_call.h"
#include "controlplane/api/node_router.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

// Asks an agent for a directory's entries; calls `done` once, within 30 s. Doesn't block.
void ListDirectoryOnNode(NodeRoute route, std::chrono::system_clock::time_point deadline,
                         const v1::ListDirectoryRequest& request,
                         AsyncCall<v1::ListDirectoryResponse>::Done done);

}  // namespace paddock
