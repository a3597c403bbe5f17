#include "nodeagent/net/route_requests.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

void PutLinkAttributes(nlmsghdr* header, const std::string& name, const MacAddress& mac, int mtu) {
  mnl_attr_put_strz(header, IFLA_IFNAME, name.c_str());
  if (mac != MacAddress{}) mnl_attr_put(header, IFLA_ADDRESS, mac.size(), mac.data());
  mnl_attr_put_u32(header, IFLA_MTU, mtu);
  mnl_attr_put_u32(header, IFLA_NUM_TX_QUEUES, 1);
  mnl_attr_put_u32(header, IFLA_NUM_RX_QUEUES, 1);
}

NetlinkRequest LinkDump() {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.Extra<ifinfomsg>();
  return request;
}

}  // namespace

NetlinkRequest CreateVeth(const VethSpec& spec) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.Extra<ifinfomsg>()->ifi_index = spec.index;
  nlmsghdr* header = request.header();
  PutLinkAttributes(header, spec.name, spec.mac, spec.mtu);
  nlattr* info = mnl_attr_nest_start(header, IFLA_LINKINFO);
  mnl_attr_put_str(header, IFLA_INFO_KIND, "veth");
  nlattr* data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
  nlattr* peer = mnl_attr_nest_start(header, VETH_INFO_PEER);
  request.Extra<ifinfomsg>();
  PutLinkAttributes(header, spec.peer_name, spec.peer_mac, spec.mtu);
  mnl_attr_put_u32(header, IFLA_NET_NS_FD, spec.peer_netns);
  mnl_attr_nest_end(header, peer);
  mnl_attr_nest_end(header, data);
  mnl_attr_nest_end(header, info);
  return request;
}

NetlinkRequest SetLinkUp(int index) {
  NetlinkRequest request(RTM_NEWLINK);
  auto* info = request.Extra<ifinfomsg>();
  info->ifi_index = index;
  info->ifi_flags = IFF_UP;
  info->ifi_change = IFF_UP;
  return request;
}

NetlinkRequest SetLinkGroup(const std::string& name, uint32_t group) {
  NetlinkRequest request(RTM_SETLINK);
  request.Extra<ifinfomsg>();
  mnl_attr_put_strz(request.header(), IFLA_IFNAME, name.c_str());
  mnl_attr_put_u32(request.header(), IFLA_GROUP, group);
  return request;
}

NetlinkRequest DeleteLink(const std::string& name) {
  NetlinkRequest request(RTM_DELLINK);
  request.Extra<ifinfomsg>();
  mnl_attr_put_strz(request.header(), IFLA_IFNAME, name.c_str());
  return request;
}

NetlinkRequest DeleteLinkGroup(uint32_t group) {
  NetlinkRequest request(RTM_DELLINK);
  request.Extra<ifinfomsg>();
  mnl_attr_put_u32(request.header(), IFLA_GROUP, group);
  return request;
}

NetlinkRequest AddAddress(int index, uint32_t address, uint32_t peer) {
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  auto* info = request.Extra<ifaddrmsg>();
  info->ifa_family = AF_INET;
  info->ifa_prefixlen = 32;
  info->ifa_index = index;
  mnl_attr_put_u32(request.header(), IFA_LOCAL, htonl(address));
  mnl_attr_put_u32(request.header(), IFA_ADDRESS, htonl(peer == 0 ? address : peer));
  return request;
}

NetlinkRequest AddNeighbour(int index, uint32_t address, const MacAddress& mac) {
  NetlinkRequest request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  auto* info = request.Extra<ndmsg>();
  info->ndm_family = AF_INET;
  info->ndm_ifindex = index;
  info->ndm_state = NUD_PERMANENT;
  mnl_attr_put_u32(request.header(), NDA_DST, htonl(address));
  mnl_attr_put(request.header(), NDA_LLADDR, mac.size(), mac.data());
  return request;
}

NetlinkRequest AddRoute(const RouteSpec& spec) {
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  auto* info = request.Extra<rtmsg>();
  info->rtm_family = AF_INET;
  info->rtm_dst_len = spec.prefix;
  info->rtm_table = RT_TABLE_MAIN;
  info->rtm_protocol = RTPROT_STATIC;
  info->rtm_type = RTN_UNICAST;
  info->rtm_scope = spec.gateway == 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  nlmsghdr* header = request.header();
  if (spec.prefix > 0) mnl_attr_put_u32(header, RTA_DST, htonl(spec.destination));
  mnl_attr_put_u32(header, RTA_OIF, spec.index);
  if (spec.gateway != 0) mnl_attr_put_u32(header, RTA_GATEWAY, htonl(spec.gateway));
  if (spec.source != 0) mnl_attr_put_u32(header, RTA_PREFSRC, htonl(spec.source));
  return request;
}

NetlinkRequest AddLocalRoute(uint32_t destination, int prefix, int index) {
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  auto* info = request.Extra<rtmsg>();
  info->rtm_family = AF_INET;
  info->rtm_dst_len = prefix;
  info->rtm_table = RT_TABLE_LOCAL;
  info->rtm_protocol = RTPROT_STATIC;
  info->rtm_type = RTN_LOCAL;
  info->rtm_scope = RT_SCOPE_HOST;
  mnl_attr_put_u32(request.header(), RTA_DST, htonl(destination));
  mnl_attr_put_u32(request.header(), RTA_OIF, index);
  return request;
}

absl::StatusOr<int> FindLink(NetlinkSocket& socket, const std::string& name) {
  NetlinkRequest request(RTM_GETLINK);
  request.Extra<ifinfomsg>();
  mnl_attr_put_strz(request.header(), IFLA_IFNAME, name.c_str());
  int index = 0;
  absl::Status status =
      socket.Dump(request, absl::StrCat("finding link ", name), [&](const nlmsghdr* message) {
        index = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message))->ifi_index;
      });
  // ENODEV.
  if (absl::IsFailedPrecondition(status)) return absl::NotFoundError(status.message());
  PADDOCK_RETURN_IF_ERROR(status);
  return index;
}

absl::StatusOr<std::string> LinkName(NetlinkSocket& socket, int index) {
  NetlinkRequest request(RTM_GETLINK);
  request.Extra<ifinfomsg>()->ifi_index = index;
  std::string name;
  absl::Status status = socket.Dump(request, "naming a link", [&](const nlmsghdr* message) {
    ForEachAttribute(message, sizeof(ifinfomsg), [&](int type, const nlattr* attribute) {
      if (type == IFLA_IFNAME) name = mnl_attr_get_str(attribute);
    });
  });
  if (absl::IsFailedPrecondition(status)) return absl::NotFoundError(status.message());
  PADDOCK_RETURN_IF_ERROR(status);
  return name;
}

absl::StatusOr<std::vector<std::string>> ListLinks(NetlinkSocket& socket) {
  std::vector<std::string> names;
  PADDOCK_RETURN_IF_ERROR(socket.Dump(LinkDump(), "listing links", [&](const nlmsghdr* message) {
    ForEachAttribute(message, sizeof(ifinfomsg), [&](int type, const nlattr* attribute) {
      if (type == IFLA_IFNAME) names.push_back(mnl_attr_get_str(attribute));
    });
  }));
  return names;
}

absl::StatusOr<std::vector<uint32_t>> ListAddresses(NetlinkSocket& socket) {
  std::vector<uint32_t> addresses;
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
  request.Extra<ifaddrmsg>()->ifa_family = AF_INET;
  PADDOCK_RETURN_IF_ERROR(socket.Dump(request, "listing addresses", [&](const nlmsghdr* message) {
    ForEachAttribute(message, sizeof(ifaddrmsg), [&](int type, const nlattr* attribute) {
      if (type == IFA_LOCAL || type == IFA_BROADCAST) {
        addresses.push_back(ntohl(mnl_attr_get_u32(attribute)));
      }
    });
  }));
  return addresses;
}

absl::StatusOr<int> DefaultRouteMtu(NetlinkSocket& socket) {
  NetlinkRequest routes(RTM_GETROUTE, NLM_F_DUMP);
  routes.Extra<rtmsg>()->rtm_family = AF_INET;
  int out = 0;
  PADDOCK_RETURN_IF_ERROR(socket.Dump(routes, "listing routes", [&](const nlmsghdr* message) {
    const auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (route->rtm_dst_len != 0 || route->rtm_table != RT_TABLE_MAIN || out != 0) return;
    ForEachAttribute(message, sizeof(rtmsg), [&](int type, const nlattr* attribute) {
      if (type == RTA_OIF) out = mnl_attr_get_u32(attribute);
    });
  }));
  if (out == 0) return absl::NotFoundError("no default route");
  int mtu = 0;
  PADDOCK_RETURN_IF_ERROR(socket.Dump(LinkDump(), "listing links", [&](const nlmsghdr* message) {
    const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    if (link->ifi_index != out) return;
    ForEachAttribute(message, sizeof(ifinfomsg), [&](int type, const nlattr* attribute) {
      if (type == IFLA_MTU) mtu = mnl_attr_get_u32(attribute);
    });
  }));
  return mtu;
}

}  // namespace paddock::nodeagent
