#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/net/ipv4.h"

namespace paddock::nodeagent {

// What an operator adds to the safety blocklist, and takes out of it; pure.
struct OperatorRules {
  std::vector<Ipv4Range> block;
  std::vector<Ipv4Range> allow;
  std::vector<std::string> block_hosts;  // Lower case; "*.example.com" means every name below.
};

// Lines of "block <network>", "allow <network>", "block-host <name>"; "#" starts a comment.
// INVALID_ARGUMENT names the line; nothing of a file that has an error counts. IPv6 networks are
// accepted and have no effect: sandboxes have no IPv6 beyond their own loopback.
absl::StatusOr<OperatorRules> ParseOperatorRules(absl::string_view text);

// Networks that no sandbox has any business with: this host, private, carrier-grade, link-local
// (with the clouds' metadata address), multicast, reserved. Not the documentation networks.
std::vector<Ipv4Range> BuiltInBlocklist();

// Built-in ranges without what the operator takes out, with what the operator adds.
std::vector<Ipv4Range> EffectiveBlocklist(const OperatorRules& rules);

// Whether `name` (any case, with or without a trailing dot) is one of the blocked host names.
bool HostBlocked(const OperatorRules& rules, absl::string_view name);

}  // namespace paddock::nodeagent
