#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// A command to start inside a sandbox.
struct ExecSpec {
  std::vector<std::string> command;
  std::map<std::string, std::string> env;  // On top of PID 1's.
  std::string cwd;                         // Empty: /workspace, or / where that is gone.
  std::string user;  // Name or uid, optionally ":group"; resolved inside the sandbox. Empty: root.
  bool tty = false;
  int rows = 24;
  int cols = 80;
};

// The agent's ends of a command's stdio, made inside the sandbox. With a tty only `terminal` is
// valid (it is both directions). A process that writes to them ignores SIGPIPE: commands may end
// before they have read their input.
struct ExecStreams {
  UniqueFd stdin_write;
  UniqueFd stdout_read;
  UniqueFd stderr_read;
  UniqueFd terminal;
};

// How a command ended: exactly one of them is meaningful. 127 when it was not found, 126 when it
// can't be executed.
struct ExecExit {
  int code = 0;
  int signal = 0;
};

// One running command. Destroying it doesn't kill the command: its exec cgroup's owner does that.
// Thread-safe.
class ExecHandle {
 public:
  virtual ~ExecHandle() = default;
  virtual int pid() const = 0;  // As the sandbox numbers it.
  virtual absl::Status Signal(int signal) = 0;
  virtual absl::Status Resize(int rows, int cols) = 0;
  // A descriptor that becomes readable when the exit is known (or the sandbox is gone); for poll
  // loops.
  virtual int exit_fd() const = 0;
  // After exit_fd is readable. UNAVAILABLE when the sandbox went away first.
  virtual absl::StatusOr<ExecExit> TakeExit() = 0;
};

// Speaks to the PID 1 of one sandbox over its socket; what comes back is hostile input.
// Thread-safe.
class InitClient {
 public:
  virtual ~InitClient() = default;
  // Starts a command in the cgroup whose open cgroup.procs is `cgroup_procs_fd` (-1: PID 1's own).
  // `streams` gets the agent's ends; they are non-blocking. Errors: INVALID_ARGUMENT (bad user or
  // directory, said by name), UNAVAILABLE (PID 1 doesn't answer), DEADLINE_EXCEEDED.
  virtual absl::StatusOr<std::unique_ptr<ExecHandle>> Exec(const ExecSpec& spec,
                                                           int cgroup_procs_fd,
                                                           ExecStreams* streams,
                                                           absl::Duration timeout) = 0;
};

}  // namespace paddock::nodeagent
