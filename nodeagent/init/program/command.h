#pragma once

#include <sys/resource.h>

#include "nodeagent/init/protocol.h"

namespace paddock::nodeagent::program {

// What PID 1, or a helper, keeps for every command that it starts.
struct ProgramContext {
  char** environment;        // PID 1's own
  struct rlimit file_limit;  // RLIMIT_NOFILE as PID 1 found it
  int program_fd;            // this program, O_PATH
};

// One request, as received.
struct CommandRequest {
  init_protocol::Request header;
  int connection_fd;
  int payload_fd;
  int cgroup_fd;  // -1: stays in PID 1's cgroup
};

// Signal dispositions are inherited; commands start with the default ones.
void ResetSignals();

// Turns the calling process, just forked by PID 1, into the command: joins the cgroup, makes its
// stdio, takes on the user, answers kStarted (or kFailed) on the connection, and executes. All that
// could block or touch hostile files happens here and not in PID 1. A program that isn't found ends
// with 127, one that can't be executed with 126, each said on standard error.
[[noreturn]] void RunCommand(const ProgramContext& context, const CommandRequest& request);

}  // namespace paddock::nodeagent::program
