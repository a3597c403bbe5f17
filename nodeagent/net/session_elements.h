#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/net/netlink_socket.h"
#include "nodeagent/net/nft_renderer.h"

namespace paddock::nodeagent {

// Adds and removes sessions in the router's rules by raw netlink: libnftables reads back what
// exists before each change, which costs more the more sessions there are. Bound to the namespace
// that the calling thread is in at the time of Open. Not thread-safe.
class SessionElements {
 public:
  static absl::StatusOr<SessionElements> Open();
  // In force when it returns OK. Adding what is there and
  // removing what isn't are OK.
  absl::Status Add(SessionSet set, const SessionElement& element);
  absl::Status Remove(SessionSet set, const SessionElement& element);

 private:
  explicit SessionElements(NetlinkSocket socket) : socket_(std::move(socket)) {}
  absl::Status Change(int type, uint16_t flags, SessionSet set, const SessionElement& element,
                      absl::string_view what);
  NetlinkSocket socket_;
};

}  // namespace paddock::nodeagent
