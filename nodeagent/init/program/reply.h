#pragma once

#include "nodeagent/init/protocol.h"

namespace paddock::nodeagent::program {

init_protocol::Reply NewReply(init_protocol::ReplyType type);
init_protocol::Reply FailedReply(init_protocol::Step step, int error);

// Sends one packet with `fd_count` (at most 3) descriptors; never blocks. 0 or an errno.
int SendReply(int connection_fd, const init_protocol::Reply& reply, const int* fds = nullptr,
              int fd_count = 0);

}  // namespace paddock::nodeagent::program
