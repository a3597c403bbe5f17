#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/net/netlink_socket.h"

namespace paddock::nodeagent {

// A packet that the rules refused, as far as an event needs it.
struct RefusedPacket {
  std::string verdict;  // The rule's log prefix.
  int in_link = 0;      // Index of the interface that it came by.
  uint32_t source = 0;  // Host byte order; 0 if it isn't IPv4.
  std::string destination;
  int port = 0;
  std::string protocol;  // "tcp", "udp", "icmp", "icmp6" or a number.
};

// Reads the head of an IPv4 or IPv6 packet into `packet`; what is missing stays as it is. Ports
// behind IPv6 extension headers aren't looked for. Pure.
void ReadPacketHead(absl::string_view bytes, RefusedPacket* packet);

// Receives what the router's rules log; the rules bound how much that is. Bound to the network
// namespace that the calling thread is in when it is made. Lives in an event loop; not thread-safe.
class PacketLog {
 public:
  using Callback = std::function<void(const RefusedPacket& packet)>;
  static absl::StatusOr<std::unique_ptr<PacketLog>> Open(EventLoop* loop, Callback callback);
  ~PacketLog();

 private:
  PacketLog(EventLoop* loop, NetlinkSocket socket, Callback callback)
      : loop_(loop), socket_(std::move(socket)), callback_(std::move(callback)) {}
  void Receive();

  EventLoop* const loop_;
  NetlinkSocket socket_;
  const Callback callback_;
};

}  // namespace paddock::nodeagent
