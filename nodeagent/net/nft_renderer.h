#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/network_plan.h"

namespace paddock::nodeagent {

// Pure text of our nftables rules. Each script is one transaction.

// A sandbox that may send: the address, and the only interface it may come from.
struct SessionElement {
  std::string address;
  std::string interface;
};

struct Blocklists {
  std::vector<Ipv4Range> general;  // EffectiveBlocklist().
  std::vector<Ipv4Range> node;  // This machine's addresses, control plane, database: no taking out.
};

struct RouterRules {
  Blocklists blocked;
  std::vector<SessionElement> unrestricted;
  std::vector<SessionElement> limited;
  int max_connections_per_session = 4096;
};

// The sets of SessionElement in the router's table.
enum class SessionSet { kUnrestricted, kLimited };

// The group of netlink messages about packets that the router's rules refuse, a few a second for
// each sandbox; their prefix is the verdict without "denied_".
constexpr uint16_t kLogGroup = 1;

// Replaces the whole table of the router namespace at once, so that no packet meets a half of it.
std::string RenderRouterTable(const NetworkPlan& plan, const RouterRules& rules);

// Replaces our table in the host's namespace: masquerading of what comes from the router, and again
// nothing to the node itself, other sandboxes and blocked networks, now as the host's own
// destination translation left it.
std::string RenderHostTable(const NetworkPlan& plan, const Blocklists& blocked);

// Replaces the blocklists in both tables' places and leaves the rest alone. `table` is
// NetworkPlan::kRouterTable or plan.HostTable().
std::string RenderBlocklistUpdate(const std::string& table, const Blocklists& blocked);

// Removes a table; no error if it isn't there.
std::string RenderTableRemoval(const std::string& table);

}  // namespace paddock::nodeagent
