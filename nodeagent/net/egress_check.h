#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nodeagent/net/network_plan.h"
#include "nodeagent/net/nft.h"

namespace paddock::nodeagent {

// What on this machine keeps sandboxes from the outside, in words for its operator; empty when all
// is well. Looks only, sends nothing. `host_nft` acts in the host's network namespace, where the
// caller is, too.
std::vector<std::string> CheckEgress(const NetworkPlan& plan, Nft& host_nft);

// Pure part: the foreign chains that drop forwarded packets by default, from the JSON output of
// "list chains". Docker's is one.
std::vector<std::string> FindDroppingChains(absl::string_view json, absl::string_view own_table);

}  // namespace paddock::nodeagent
