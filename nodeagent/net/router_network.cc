#include "nodeagent/net/router_network.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/netlink_socket.h"
#include "nodeagent/net/network_namespace.h"
#include "nodeagent/net/route_requests.h"

namespace paddock::nodeagent {
namespace {

constexpr int kLoopback = 1;
constexpr int kDefaultMtu = 1500;

absl::Status OkIfThere(const absl::Status& status) {
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}
absl::Status OkIfMissing(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

// In the router namespace.
absl::Status WriteRouterSettings() {
  for (const char* name : {"ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6"}) {
    PADDOCK_RETURN_IF_ERROR(OkIfMissing(WriteNetworkSetting(name, "1")));
  }
  constexpr std::pair<const char*, const char*> kSettings[] = {
      {"ipv4/ip_forward", "1"},
      {"ipv4/conf/all/rp_filter", "1"},
      {"ipv4/conf/all/send_redirects", "0"},
      {"ipv4/conf/default/send_redirects", "0"},
      {"ipv4/conf/all/accept_redirects", "0"},
      {"ipv4/conf/default/accept_redirects", "0"},
      // Refusals must always reach the sandbox, or it waits for a time-out.
      {"ipv4/icmp_ratelimit", "0"},
  };
  for (const auto& [name, value] : kSettings) {
    PADDOCK_RETURN_IF_ERROR(WriteNetworkSetting(name, value));
  }
  return absl::OkStatus();
}

// In the router namespace.
absl::Status ConfigureRouterLoopback(const NetworkPlan& plan) {
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(NETLINK_ROUTE));
  PADDOCK_RETURN_IF_ERROR(WriteRouterSettings());
  uint32_t gateway = *ParseIpv4(plan.GatewayAddress());
  PADDOCK_ASSIGN_OR_RETURN(std::vector<uint32_t> addresses, ListAddresses(socket));
  bool empty = addresses.empty();  // 127.0.0.1 comes with SetLinkUp.
  if (!empty && std::count(addresses.begin(), addresses.end(), gateway) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the router namespace was made for another subnet than ", plan.Subnet(),
                     "; clean up first"));
  }
  PADDOCK_RETURN_IF_ERROR(
      OkIfThere(socket.Execute(AddAddress(kLoopback, gateway), "giving the gateway its address")));
  PADDOCK_RETURN_IF_ERROR(socket.Execute(SetLinkUp(kLoopback), "bringing loopback up"));
  PADDOCK_ASSIGN_OR_RETURN(Ipv4Range synthetic, ParseIpv4Network(NetworkPlan::kSyntheticNetwork));
  return OkIfThere(
      socket.Execute(AddLocalRoute(synthetic.first, NetworkPlan::kSyntheticPrefix, kLoopback),
                     "taking the synthetic addresses"));
}

absl::Status CheckNoOverlap(const NetworkPlan& plan, NetlinkSocket& host) {
  PADDOCK_ASSIGN_OR_RETURN(Ipv4Range subnet, ParseIpv4Network(plan.Subnet()));
  PADDOCK_ASSIGN_OR_RETURN(std::vector<uint32_t> addresses, ListAddresses(host));
  for (uint32_t address : addresses) {
    if (address < subnet.first || address > subnet.last) continue;
    if (FormatIpv4(address) == plan.HostAddress()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("this machine has the address ", FormatIpv4(address),
                     ", inside of the sandboxes' subnet ", plan.Subnet(), "; choose another one"));
  }
  return absl::OkStatus();
}

// Makes the veth unless both ends are there.
absl::Status EnsureVeth(const NetworkPlan& plan, NetlinkSocket& host, NetlinkSocket& router,
                        int router_netns) {
  bool outside = FindLink(host, plan.HostInterface()).ok();
  bool inside = FindLink(router, NetworkPlan::kRouterInterface).ok();
  if (outside && inside) return absl::OkStatus();
  if (outside) {
    PADDOCK_RETURN_IF_ERROR(host.Execute(DeleteLink(plan.HostInterface()), "removing an uplink"));
  }
  if (inside) {
    PADDOCK_RETURN_IF_ERROR(
        router.Execute(DeleteLink(NetworkPlan::kRouterInterface), "removing an uplink"));
  }
  VethSpec veth;
  veth.name = plan.HostInterface();
  veth.peer_name = NetworkPlan::kRouterInterface;
  veth.peer_netns = router_netns;
  veth.mtu = DefaultRouteMtu(host).value_or(kDefaultMtu);
  PADDOCK_RETURN_IF_ERROR(host.Execute(CreateVeth(veth), "making the uplink"));
  return OkIfMissing(
      WriteNetworkSetting(absl::StrCat("ipv6/conf/", plan.HostInterface(), "/disable_ipv6"), "1"));
}

// One end of the uplink: a point-to-point address and a route to `destination` over the other end.
absl::Status ConfigureEnd(NetlinkSocket& socket, const std::string& name, uint32_t address,
                          uint32_t peer, const Ipv4Range& destination, int prefix) {
  PADDOCK_ASSIGN_OR_RETURN(int link, FindLink(socket, name));
  PADDOCK_RETURN_IF_ERROR(
      OkIfThere(socket.Execute(AddAddress(link, address, peer), "addressing the uplink")));
  PADDOCK_RETURN_IF_ERROR(socket.Execute(SetLinkUp(link), "bringing the uplink up"));
  RouteSpec route;
  route.destination = destination.first;
  route.prefix = prefix;
  route.index = link;
  route.gateway = peer;
  return OkIfThere(socket.Execute(AddRoute(route), "routing over the uplink"));
}

}  // namespace

absl::StatusOr<UniqueFd> EnsureRouterNamespace(const NetworkPlan& plan, const std::string& pin) {
  absl::StatusOr<UniqueFd> existing = OpenPinnedNamespace(pin);
  if (existing.ok()) {
    PADDOCK_ASSIGN_OR_RETURN(ScopedNetworkNamespace inside,
                             ScopedNetworkNamespace::Enter(existing->get()));
    PADDOCK_RETURN_IF_ERROR(ConfigureRouterLoopback(plan));
    return existing;
  }
  if (!absl::IsNotFound(existing.status())) return existing.status();
  PADDOCK_ASSIGN_OR_RETURN(ScopedNetworkNamespace inside, ScopedNetworkNamespace::EnterNew());
  PADDOCK_RETURN_IF_ERROR(ConfigureRouterLoopback(plan));
  PADDOCK_RETURN_IF_ERROR(PinCurrentNamespace(pin));
  return CurrentNetworkNamespace();
}

absl::Status EnsureUplink(const NetworkPlan& plan, int router_netns) {
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket host, NetlinkSocket::Open(NETLINK_ROUTE));
  PADDOCK_RETURN_IF_ERROR(CheckNoOverlap(plan, host));
  std::optional<NetlinkSocket> router;
  {
    PADDOCK_ASSIGN_OR_RETURN(ScopedNetworkNamespace inside,
                             ScopedNetworkNamespace::Enter(router_netns));
    PADDOCK_ASSIGN_OR_RETURN(router, NetlinkSocket::Open(NETLINK_ROUTE));
  }
  PADDOCK_RETURN_IF_ERROR(EnsureVeth(plan, host, *router, router_netns));
  uint32_t host_address = *ParseIpv4(plan.HostAddress());
  uint32_t router_address = *ParseIpv4(plan.RouterAddress());
  PADDOCK_ASSIGN_OR_RETURN(Ipv4Range subnet, ParseIpv4Network(plan.Subnet()));
  PADDOCK_RETURN_IF_ERROR(ConfigureEnd(host, plan.HostInterface(), host_address, router_address,
                                       subnet, plan.prefix()));
  return ConfigureEnd(*router, NetworkPlan::kRouterInterface, router_address, host_address, {}, 0);
}

absl::Status RemoveRouter(const NetworkPlan& plan, const std::string& pin) {
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket host, NetlinkSocket::Open(NETLINK_ROUTE));
  absl::Status removed = host.Execute(DeleteLink(plan.HostInterface()), "removing the uplink");
  if (absl::IsFailedPrecondition(removed)) removed = absl::OkStatus();  // ENODEV: it isn't there.
  absl::Status unpinned = UnpinNamespace(pin);
  return removed.ok() ? unpinned : removed;
}

}  // namespace paddock::nodeagent
