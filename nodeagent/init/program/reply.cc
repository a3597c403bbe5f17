#include "nodeagent/init/program/reply.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace paddock::nodeagent::program {

using init_protocol::Reply;

Reply NewReply(init_protocol::ReplyType type) {
  Reply reply = {};
  reply.magic = init_protocol::kMagic;
  reply.version = init_protocol::kVersion;
  reply.type = static_cast<uint16_t>(type);
  return reply;
}

Reply FailedReply(init_protocol::Step step, int error) {
  Reply reply = NewReply(init_protocol::ReplyType::kFailed);
  reply.step = static_cast<uint16_t>(step);
  reply.error = error;
  return reply;
}

int SendReply(int connection_fd, const Reply& reply, const int* fds, int fd_count) {
  struct iovec bytes = {const_cast<Reply*>(&reply), sizeof(reply)};
  alignas(struct cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (fd_count > 0) {
    size_t fd_bytes = static_cast<size_t>(fd_count) * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fd_bytes);
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fd_bytes);
    memcpy(CMSG_DATA(header), fds, fd_bytes);
  }
  for (;;) {
    if (sendmsg(connection_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace paddock::nodeagent::program
