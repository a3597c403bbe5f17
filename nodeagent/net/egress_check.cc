#include "nodeagent/net/egress_check.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/net/forwarding.h"
#include "nodeagent/net/netlink_socket.h"
#include "nodeagent/net/route_requests.h"

namespace paddock::nodeagent {
namespace {

std::string StringOf(const nlohmann::json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::vector<std::string> FindDroppingChains(absl::string_view json, absl::string_view own_table) {
  std::vector<std::string> chains;
  auto document = nlohmann::json::parse(json.begin(), json.end(), nullptr, false);
  if (document.is_discarded() || !document.is_object()) return chains;
  auto objects = document.find("nftables");
  if (objects == document.end() || !objects->is_array()) return chains;
  for (const nlohmann::json& object : *objects) {
    if (!object.is_object() || !object.contains("chain")) continue;
    const nlohmann::json& chain = object["chain"];
    if (StringOf(chain, "hook") != "forward" || StringOf(chain, "policy") != "drop") continue;
    if (StringOf(chain, "table") == own_table || StringOf(chain, "family") == "ip6") continue;
    chains.push_back(absl::StrCat(StringOf(chain, "family"), " ", StringOf(chain, "table"), " ",
                                  StringOf(chain, "name")));
  }
  return chains;
}

absl::Status RefuseIpv6Alone(absl::string_view listen, bool has_ipv4_route) {
  if (!absl::StartsWith(listen, "[") || has_ipv4_route) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this machine has the address ", listen,
      " and no IPv4 default route: sandboxes have IPv4 addresses alone, and would reach "
      "nothing. Give its network IPv4 as well (dual stack)"));
}

absl::Status CheckKnowsIpv4(absl::string_view listen) {
  absl::StatusOr<NetlinkSocket> route = NetlinkSocket::Open(NETLINK_ROUTE);
  if (!route.ok()) return route.status();
  return RefuseIpv6Alone(listen, DefaultRouteMtu(*route).ok());
}

std::vector<std::string> CheckEgress(const NetworkPlan& plan, Nft& host_nft) {
  std::vector<std::string> problems;
  if (!SharedForwarding().IsOn()) {
    problems.push_back("net.ipv4.ip_forward is 0: the kernel forwards nothing; set it to 1");
  }
  absl::StatusOr<NetlinkSocket> route = NetlinkSocket::Open(NETLINK_ROUTE);
  if (!route.ok() || !DefaultRouteMtu(*route).ok()) {
    problems.push_back("this machine has no IPv4 default route");
  }
  if (route.ok() && !FindLink(*route, plan.HostInterface()).ok()) {
    problems.push_back(absl::StrCat("the uplink ", plan.HostInterface(), " is missing"));
  }
  if (!host_nft.List(absl::StrCat("list table inet ", plan.HostTable())).ok()) {
    problems.push_back(absl::StrCat("the host's nftables table inet ", plan.HostTable(),
                                    " is missing: it was flushed"));
  }
  absl::StatusOr<std::string> chains = host_nft.List("list chains");
  if (chains.ok()) {
    for (const std::string& chain : FindDroppingChains(*chains, plan.HostTable())) {
      problems.push_back(absl::StrCat(
          "chain \"", chain, "\" drops forwarded packets by default (Docker does that); unless it ",
          "accepts them already, accept those from and to ", plan.HostInterface(),
          ", for example: iptables -I DOCKER-USER -i ", plan.HostInterface(),
          " -j ACCEPT; iptables -I DOCKER-USER -o ", plan.HostInterface(), " -j ACCEPT"));
    }
  }
  return problems;
}

}  // namespace paddock::nodeagent
