#include "nodeagent/init/init_connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxPacket = 256;  // More than any reply, so that an oversized one shows.
constexpr size_t kMaxDescriptors = 4;

absl::Status Gone(absl::string_view what) {
  return errors::Unavailable(
      absl::StrCat("the sandbox's PID 1 doesn't answer (", what, ": ", std::strerror(errno), ")"));
}

// The address of `path`; when it is too long for one, by way of its directory, whose descriptor
// `directory` keeps the address valid.
absl::StatusOr<sockaddr_un> AddressOf(const std::string& path, UniqueFd* directory) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string name = path;
  if (path.size() >= sizeof(address.sun_path)) {
    size_t slash = path.rfind('/');
    if (slash == std::string::npos) return absl::InvalidArgumentError("socket name too long");
    directory->reset(open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory->valid()) return Gone("open");
    name = absl::StrCat("/proc/self/fd/", directory->get(), path.substr(slash));
  }
  if (name.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError("socket name too long");
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  return address;
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectToInit(const std::string& path, absl::Duration timeout) {
  UniqueFd directory;
  PADDOCK_ASSIGN_OR_RETURN(sockaddr_un address, AddressOf(path, &directory));
  UniqueFd connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!connection.valid()) return Gone("socket");
  // Zero would mean no time-out at all.
  timeval limit = absl::ToTimeval(std::max(timeout, absl::Microseconds(1)));
  setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EAGAIN) return absl::DeadlineExceededError("the sandbox's PID 1 doesn't accept");
    return Gone("connect");
  }
  if (fcntl(connection.get(), F_SETFL, O_NONBLOCK) != 0) return Gone("fcntl");
  return connection;
}

absl::Status SendPacket(int connection, absl::string_view bytes, const std::vector<int>& fds) {
  iovec data = {const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fds.size() > kMaxDescriptors) return absl::InternalError("too many descriptors");
  if (!fds.empty()) {
    size_t fd_bytes = fds.size() * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fd_bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fd_bytes);
    std::memcpy(CMSG_DATA(header), fds.data(), fd_bytes);
  }
  for (;;) {
    if (sendmsg(connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return absl::OkStatus();
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return absl::ResourceExhaustedError("the sandbox's PID 1 doesn't read");
    return Gone("send");
  }
}

absl::StatusOr<Packet> ReceivePacket(int connection) {
  char bytes[kMaxPacket];
  iovec data = {bytes, sizeof(bytes)};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t size = -1;
  // A peer that closed with requests unread shows as one ECONNRESET before its last packet.
  for (int attempt = 0; attempt < 3 && size < 0; ++attempt) {
    size = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && errno != EINTR && errno != ECONNRESET) break;
  }
  if (size < 0 && errno == EAGAIN) return absl::FailedPreconditionError("nothing to receive yet");
  if (size < 0) return Gone("receive");
  Packet packet;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (size_t offset = 0; CMSG_LEN(offset + sizeof(int)) <= header->cmsg_len;
         offset += sizeof(int)) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + offset, sizeof(fd));
      packet.fds.emplace_back(fd);
    }
  }
  if (size == 0) {
    return MakeError(ErrorReason::kExecInterrupted,
                     "the session's sandbox ended, and the command with it");
  }
  packet.bytes.assign(bytes, static_cast<size_t>(size));
  return packet;
}

absl::Status WaitReadable(int fd, absl::Duration timeout) {
  absl::Duration deadline = Clock::Real()->Monotonic() + timeout;
  for (;;) {
    absl::Duration left = std::max(deadline - Clock::Real()->Monotonic(), absl::ZeroDuration());
    timespec limit = absl::ToTimespec(std::min(left, absl::Hours(24)));
    pollfd polled = {fd, POLLIN, 0};
    int ready = ppoll(&polled, 1, &limit, nullptr);
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return Gone("poll");
    if (ready == 0) return absl::DeadlineExceededError("the sandbox's PID 1 doesn't answer");
  }
}

}  // namespace paddock::nodeagent
