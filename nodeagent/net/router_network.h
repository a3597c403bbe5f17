#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/net/network_plan.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// The router namespace of one agent and its uplink to the host. Everything here is idempotent, and
// leaves what is in place as it is. For single-threaded processes; the caller is in the host's
// network namespace.

// The namespace bound to `pin`, made if there is none: forwarding, no IPv6, the gateway's address
// on its loopback. No link leads anywhere yet. FAILED_PRECONDITION if the one that exists was made
// for another subnet.
absl::StatusOr<UniqueFd> EnsureRouterNamespace(const NetworkPlan& plan, const std::string& pin);

// The veth between the host and the router namespace, and the routes over it. To be called once the
// rules are in force. FAILED_PRECONDITION if the host has addresses inside of the subnet.
absl::Status EnsureUplink(const NetworkPlan& plan, int router_netns);

// Removes both. What still holds the namespace open loses its way out at once.
absl::Status RemoveRouter(const NetworkPlan& plan, const std::string& pin);

}  // namespace paddock::nodeagent
