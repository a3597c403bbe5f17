#pragma once

#include "nodeagent/init/program/command.h"

namespace paddock::nodeagent::program {

enum class Received {
  kRequest,
  kNothing,        // not yet
  kGone,           // the other end closed, or the connection is broken
  kMalformed,      // wrong size, magic, version, flags or number of descriptors
  kNoDescriptors,  // this process could not take the descriptors that came along
};

// Takes one packet off a connection without blocking. With kRequest the header is well formed and
// `payload_fd` and `cgroup_fd` (-1 where there is none) are the caller's; otherwise nothing is left
// open.
Received ReceiveRequest(int connection_fd, CommandRequest* request);

}  // namespace paddock::nodeagent::program
