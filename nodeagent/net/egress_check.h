#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nodeagent/net/network_plan.h"
#include "nodeagent/net/nft.h"

namespace paddock::nodeagent {

// What on this machine keeps sandboxes from the outside, in words for its operator; empty when all
// is well. Looks only, sends nothing. `host_nft` acts in the host's network namespace, where the
// caller is, too.
std::vector<std::string> CheckEgress(const NetworkPlan& plan, Nft& host_nft);

// FAILED_PRECONDITION on a machine that knows IPv6 alone: its own address `listen` (host:port) is
// one, and there is no IPv4 default route. Sandboxes have IPv4 addresses and would reach nothing.
absl::Status CheckKnowsIpv4(absl::string_view listen);

// Pure part of it.
absl::Status RefuseIpv6Alone(absl::string_view listen, bool has_ipv4_route);

// Pure part: the foreign chains that drop forwarded packets by default, from the JSON output of
// "list chains". Docker's is one.
std::vector<std::string> FindDroppingChains(absl::string_view json, absl::string_view own_table);

}  // namespace paddock::nodeagent
