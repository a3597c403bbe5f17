#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "nodeagent/net/netlink_socket.h"

namespace paddock::nodeagent {

// Forgets tracked connections of sandboxes that are gone, so that the next owner of an address
// inherits nothing. Connections whose source (IPv4, host byte order) `doomed` names are looked up
// in the router's namespace and removed there and on the host, where they have the same addresses
// before translation. Looking takes the kernel about 10 ms however few there are, unless there are
// none at all, so it is done for many addresses at once.
absl::Status PurgeConnections(NetlinkSocket& router, NetlinkSocket& host,
                              const std::function<bool(uint32_t source)>& doomed);

}  // namespace paddock::nodeagent
