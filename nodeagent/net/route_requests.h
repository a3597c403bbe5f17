#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nodeagent/net/netlink_socket.h"

namespace paddock::nodeagent {

// Messages of the rtnetlink family, to be sent by a NETLINK_ROUTE socket: they act in the network
// namespace of the socket. Addresses are IPv4 in host byte order.

using MacAddress = std::array<uint8_t, 6>;

struct VethSpec {
  std::string name;
  int index = 0;  // 0: the kernel chooses.
  MacAddress mac = {};
  std::string peer_name;
  MacAddress peer_mac = {};
  int peer_netns = -1;  // Namespace of the other end.
  int mtu = 1500;
};
// A veth with one queue each way. Fails with ALREADY_EXISTS if a name is taken.
NetlinkRequest CreateVeth(const VethSpec& spec);
NetlinkRequest SetLinkUp(int index);
// Puts the link into a group, for DeleteLinkGroup.
NetlinkRequest SetLinkGroup(const std::string& name, uint32_t group);
NetlinkRequest DeleteLink(const std::string& name);
// Removes all links of a group at once, which costs little more than removing one.
NetlinkRequest DeleteLinkGroup(uint32_t group);

// A /32. With `peer`, the other end of a point-to-point link, which gets a route.
NetlinkRequest AddAddress(int index, uint32_t address, uint32_t peer = 0);
// The hardware address is known for good: no ARP, and no place in the neighbour table's limit.
NetlinkRequest AddNeighbour(int index, uint32_t address, const MacAddress& mac);

struct RouteSpec {
  uint32_t destination = 0;
  int prefix = 0;
  int index = 0;
  uint32_t gateway = 0;  // 0: on the link itself.
  uint32_t source = 0;   // Preferred source address, 0: none.
};
// ALREADY_EXISTS when there is a route to the same destination.
NetlinkRequest AddRoute(const RouteSpec& spec);
// Makes every address of a network this namespace's own, for sockets that ask for that.
NetlinkRequest AddLocalRoute(uint32_t destination, int prefix, int index);

// NOT_FOUND when there is no such link.
absl::StatusOr<int> FindLink(NetlinkSocket& socket, const std::string& name);
absl::StatusOr<std::string> LinkName(NetlinkSocket& socket, int index);
absl::StatusOr<std::vector<std::string>> ListLinks(NetlinkSocket& socket);
// Addresses of all interfaces, broadcast addresses included.
absl::StatusOr<std::vector<uint32_t>> ListAddresses(NetlinkSocket& socket);
// MTU of the link that the default route leaves by; NOT_FOUND without one.
absl::StatusOr<int> DefaultRouteMtu(NetlinkSocket& socket);

}  // namespace paddock::nodeagent
