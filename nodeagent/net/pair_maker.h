#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/net/netlink_socket.h"
#include "nodeagent/net/pair_protocol.h"

namespace paddock::nodeagent {

// Makes and removes namespace pairs, in a small single-threaded process: it changes its own
// user ids and network namespace, and its children share its memory for a moment.
class PairMaker {
 public:
  struct Options {
    UniqueFd router_netns;
    uint32_t gateway = 0;  // Host byte order.
    int mtu = 1500;
  };
  static absl::StatusOr<PairMaker> Create(Options options);

  // A user namespace created under the pair's own uid, so that what the kernel counts per user
  // (inotify, namespaces, ...) counts for this sandbox alone; a network namespace owned by it, with
  // loopback up and eth0 routed into the router namespace.
  absl::StatusOr<PairFds> Make(const PairRequest& request);
  absl::Status Remove(const PairRequest& request);

 private:
  PairMaker(Options options, NetlinkSocket route, NetlinkSocket router_tracking,
            NetlinkSocket host_tracking)
      : options_(std::move(options)),
        route_(std::move(route)),
        router_tracking_(std::move(router_tracking)),
        host_tracking_(std::move(host_tracking)) {}
  // The sandbox's side: sysctls, veth, address, routes.
  absl::Status ConfigureSandbox(const PairRequest& request, int netns);
  // The router's side of the veth.
  absl::Status ConfigureRouter(const PairRequest& request);

  absl::Status RemoveVeths(const PairRequest& request);

  Options options_;
  NetlinkSocket route_;            // In the router namespace.
  NetlinkSocket router_tracking_;  // Connection tracking there ...
  NetlinkSocket host_tracking_;    // ... and on the host.
};

}  // namespace paddock::nodeagent
