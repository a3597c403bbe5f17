#include "nodeagent/net/pair_maker.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/net/conntrack.h"
#include "nodeagent/net/namespace_child.h"
#include "nodeagent/net/network_namespace.h"
#include "nodeagent/net/route_requests.h"

namespace paddock::nodeagent {
namespace {

constexpr int kLoopback = 1;
constexpr int kSandboxLink = 1000;  // Clear of what the kernel makes by itself (sit0, tunl0, ...).
constexpr uint32_t kDoomedGroup = 0x70646b;

// Locally administered.
MacAddress RouterMac() { return {0x02, 0x50, 0x44, 0, 0, 1}; }
MacAddress SandboxMac(int index) {
  return {0x02, 0x50, 0x44, 1, static_cast<uint8_t>(index >> 8), static_cast<uint8_t>(index)};
}

// In the sandbox's network namespace. Low ports and ping need no capability there; IPv6 exists on
// loopback only.
absl::Status WriteSandboxSettings(uint32_t uid_base) {
  absl::Status no_ipv6 = WriteNetworkSetting("ipv6/conf/default/disable_ipv6", "1");
  if (!no_ipv6.ok() && !absl::IsNotFound(no_ipv6)) return no_ipv6;  // A kernel without IPv6.
  PADDOCK_RETURN_IF_ERROR(WriteNetworkSetting("ipv4/ip_unprivileged_port_start", "0"));
  return WriteNetworkSetting("ipv4/ping_group_range",
                             absl::StrCat(uid_base, " ", uid_base + 65535));
}

}  // namespace

absl::StatusOr<PairMaker> PairMaker::Create(Options options) {
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket host, NetlinkSocket::Open(NETLINK_NETFILTER));
  PADDOCK_ASSIGN_OR_RETURN(ScopedNetworkNamespace inside,
                           ScopedNetworkNamespace::Enter(options.router_netns.get()));
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket route, NetlinkSocket::Open(NETLINK_ROUTE));
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket tracking, NetlinkSocket::Open(NETLINK_NETFILTER));
  return PairMaker(std::move(options), std::move(route), std::move(tracking), std::move(host));
}

absl::StatusOr<PairFds> PairMaker::Make(const PairRequest& request) {
  PADDOCK_ASSIGN_OR_RETURN(PairFds fds, MakeNamespaces(request.uid_base));
  // On failure the namespaces, and the veth with them, go with their descriptors.
  PADDOCK_RETURN_IF_ERROR(ConfigureSandbox(request, fds.netns.get()));
  PADDOCK_RETURN_IF_ERROR(ConfigureRouter(request));
  return fds;
}

absl::Status PairMaker::ConfigureSandbox(const PairRequest& request, int netns) {
  PADDOCK_ASSIGN_OR_RETURN(ScopedNetworkNamespace inside, ScopedNetworkNamespace::Enter(netns));
  PADDOCK_RETURN_IF_ERROR(WriteSandboxSettings(request.uid_base));
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(NETLINK_ROUTE));
  VethSpec veth;
  veth.name = "eth0";
  veth.index = kSandboxLink;
  veth.mac = SandboxMac(request.index);
  veth.peer_name = request.veth;
  veth.peer_mac = RouterMac();
  veth.peer_netns = options_.router_netns.get();
  veth.mtu = options_.mtu;
  std::vector<NetlinkRequest> steps = {
      CreateVeth(veth),
      SetLinkUp(kLoopback),
      AddAddress(kSandboxLink, request.address),
      SetLinkUp(kSandboxLink),
      AddNeighbour(kSandboxLink, options_.gateway, RouterMac()),
      AddRoute({options_.gateway, 32, kSandboxLink}),
      AddRoute({0, 0, kSandboxLink, options_.gateway}),
  };
  return socket.ExecuteAll(steps, "setting up a sandbox's network");
}

absl::Status PairMaker::ConfigureRouter(const PairRequest& request) {
  PADDOCK_ASSIGN_OR_RETURN(int link, FindLink(route_, request.veth));
  std::vector<NetlinkRequest> steps = {
      SetLinkUp(link),
      AddNeighbour(link, request.address, SandboxMac(request.index)),
      AddRoute({request.address, 32, link, 0, options_.gateway}),
  };
  return route_.ExecuteAll(steps, "connecting a sandbox to the router");
}

absl::Status PairMaker::Remove(const PairRequest& request) {
  PADDOCK_RETURN_IF_ERROR(RemoveVeths(request));
  return PurgeConnections(router_tracking_, host_tracking_, [&request](uint32_t source) {
    // What is below the first slot's address wraps around and is no slot.
    uint32_t slot = source - request.address;
    return slot < kMaxSlots && request.HasSlot(static_cast<int>(slot));
  });
}

absl::Status PairMaker::RemoveVeths(const PairRequest& request) {
  PADDOCK_ASSIGN_OR_RETURN(std::vector<std::string> links, ListLinks(route_));
  bool any = false;
  for (const std::string& link : links) {
    if (!request.HasSlot(VethSlot(link))) continue;
    absl::Status marked = route_.Execute(SetLinkGroup(link, kDoomedGroup), "marking a veth");
    // ENODEV: the kernel removed it meanwhile, with the sandbox's namespace.
    if (!marked.ok() && !absl::IsFailedPrecondition(marked)) return marked;
    any = any || marked.ok();
  }
  if (!any) return absl::OkStatus();
  absl::Status removed = route_.Execute(DeleteLinkGroup(kDoomedGroup), "removing veths");
  return absl::IsFailedPrecondition(removed) ? absl::OkStatus() : removed;
}

}  // namespace paddock::nodeagent
