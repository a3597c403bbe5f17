#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Connects to the SOCK_SEQPACKET socket at `path`, of any length. UNAVAILABLE when nobody listens,
// DEADLINE_EXCEEDED when nobody accepts in time. The result is non-blocking.
absl::StatusOr<UniqueFd> ConnectToInit(const std::string& path, absl::Duration timeout);

// Sends one packet with descriptors; never blocks. UNAVAILABLE when the other end is gone,
// RESOURCE_EXHAUSTED when it doesn't read.
absl::Status SendPacket(int connection, absl::string_view bytes, const std::vector<int>& fds);

// One packet as it came. At most a few descriptors are taken, the rest is discarded by the kernel.
struct Packet {
  std::string bytes;
  std::vector<UniqueFd> fds;
};

// Takes one packet. UNAVAILABLE when the other end is gone, FAILED_PRECONDITION when none is there.
absl::StatusOr<Packet> ReceivePacket(int connection);

// Waits until `fd` is readable or at its end. DEADLINE_EXCEEDED.
absl::Status WaitReadable(int fd, absl::Duration timeout);

}  // namespace paddock::nodeagent
