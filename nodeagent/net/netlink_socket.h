#pragma once

#include <libmnl/libmnl.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// One netlink message that is being built: a header, a family's fixed part, attributes
// (mnl_attr_put_* on header()).
class NetlinkRequest {
 public:
  // `flags` beside NLM_F_REQUEST and NLM_F_ACK, which are always set.
  explicit NetlinkRequest(uint16_t type, uint16_t flags = 0);
  NetlinkRequest(const NetlinkRequest& other) : buffer_(other.buffer_) {}
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  // Appends the family's fixed part, zeroed.
  template <typename T>
  T* Extra() {
    return static_cast<T*>(mnl_nlmsg_put_extra_header(header(), sizeof(T)));
  }
  // The kernel answers a failure only.
  void WithoutAck() { header()->nlmsg_flags &= ~NLM_F_ACK; }

 private:
  alignas(nlmsghdr) std::array<char, 1024> buffer_;
};

// Calls `visit(type, attribute)` for each attribute of a message after its fixed part of `offset`
// bytes.
template <typename Visit>
void ForEachAttribute(const nlmsghdr* message, size_t offset, Visit visit) {
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, offset));
  const char* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  while (mnl_attr_ok(attribute, end - reinterpret_cast<const char*>(attribute))) {
    visit(mnl_attr_get_type(attribute), attribute);
    attribute = mnl_attr_next(attribute);
  }
}

// A netlink socket, bound for good to the network namespace that the calling thread was in when it
// was opened. Not thread-safe. Every call waits at most 5 seconds.
class NetlinkSocket {
 public:
  // `protocol`: NETLINK_ROUTE or NETLINK_NETFILTER.
  static absl::StatusOr<NetlinkSocket> Open(int protocol);

  // Sends the request, waits for its acknowledgement. The error says `what`, the kernel's errno
  // (as ErrnoStatus maps it) and its explanation.
  absl::Status Execute(NetlinkRequest request, absl::string_view what);
  // Sends all in one system call; the first error. Requests after a failed one may have been
  // carried out, unless they are a netfilter batch.
  absl::Status ExecuteAll(std::vector<NetlinkRequest>& requests, absl::string_view what);
  // Sends a request that is answered by messages, hands each to `on_message`.
  absl::Status Dump(NetlinkRequest request, absl::string_view what,
                    const std::function<void(const nlmsghdr*)>& on_message);
  int fd() const { return mnl_socket_get_fd(socket_.get()); }
  // From now on the socket receives this group's notifications as well.
  absl::Status Subscribe(int group);
  // Throws away what waits in the socket (notifications); true if there was anything.
  bool Drain();

 private:
  struct Closer {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit NetlinkSocket(mnl_socket* socket) : socket_(socket) {}
  // Handles answers until `acks` of those with sequence numbers from `first` have come.
  absl::Status Receive(uint32_t first, int acks, absl::string_view what,
                       const std::function<void(const nlmsghdr*)>& on_message);

  std::unique_ptr<mnl_socket, Closer> socket_;
  uint32_t sequence_ = 0;
};

}  // namespace paddock::nodeagent
