#include "nodeagent/init/program/receive.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace paddock::nodeagent::program {
namespace {

using init_protocol::Request;
using init_protocol::RequestType;

constexpr int kMaxDescriptors = 2;

// The descriptors of a message; -1 for those that didn't come.
int TakeDescriptors(struct msghdr* message, int fds[kMaxDescriptors]) {
  int count = 0;
  for (struct cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t bytes = header->cmsg_len - CMSG_LEN(0);
    for (size_t offset = 0; offset + sizeof(int) <= bytes; offset += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + offset, sizeof(fd));
      if (count < kMaxDescriptors) {
        fds[count++] = fd;
      } else {
        close(fd);
      }
    }
  }
  return count;
}

bool IsWellFormed(const Request& header, ssize_t size, int fd_count) {
  if (size != static_cast<ssize_t>(sizeof(Request))) return false;
  if (header.magic != init_protocol::kMagic || header.version != init_protocol::kVersion) {
    return false;
  }
  int expected = 0;
  if (header.type == static_cast<uint16_t>(RequestType::kExec)) {
    expected = (header.flags & init_protocol::kFlagCgroup) != 0 ? 2 : 1;
  }
  return fd_count == expected;
}

}  // namespace

Received ReceiveRequest(int connection_fd, CommandRequest* request) {
  struct iovec bytes = {&request->header, sizeof(request->header)};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
  struct msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  int fds[kMaxDescriptors] = {-1, -1};
  ssize_t size = recvmsg(connection_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) {
    return errno == EAGAIN || errno == EINTR ? Received::kNothing : Received::kGone;
  }
  int count = TakeDescriptors(&message, fds);
  request->payload_fd = fds[0];
  request->cgroup_fd = fds[1];
  Received result = Received::kRequest;
  if (size == 0) {
    result = Received::kGone;
  } else if ((message.msg_flags & MSG_CTRUNC) != 0) {
    result = Received::kNoDescriptors;
  } else if ((message.msg_flags & MSG_TRUNC) != 0 || !IsWellFormed(request->header, size, count)) {
    result = Received::kMalformed;
  }
  if (result != Received::kRequest) {
    for (int fd : fds) {
      if (fd >= 0) close(fd);
    }
  }
  return result;
}

}  // namespace paddock::nodeagent::program
