#pragma once

#include <functional>
#include <memory>
#include <string>

#include "nodeagent/init/init_client.h"

namespace paddock::nodeagent {

// What a helper is given.
struct HelperDescriptors {
  int connection = -1;  // Its end; becomes init_protocol::kHelperFd.
  // The command's stdio, where the helper passes it on; else -1 (with a terminal all three are it).
  int stdin_read = -1;
  int stdout_write = -1;
  int stderr_write = -1;
};

// How a sandbox takes commands from helpers.
struct HelperOptions {
  // Has the OCI runtime execute the sandbox's program as a helper (protocol.h) inside the running
  // container; returns its pidfd (invalid when it has ended). The descriptors stay the caller's.
  std::function<absl::StatusOr<UniqueFd>(const HelperDescriptors&, absl::Duration timeout)> start;
  // Descriptors can't be sent out of the sandbox: stdio is made here and passed in.
  bool passes_stdio = false;
};

// Starts each command by a helper of its own, which the OCI runtime executes inside the sandbox:
// PID 1 isn't asked. Everything else (users, directories, exit codes, signals, terminals, cgroups)
// is as with PID 1, because the helper is the same program. UNAVAILABLE: the runtime couldn't start
// it, with the runtime's own words. Thread-safe.
std::unique_ptr<InitClient> MakeHelperClient(HelperOptions options);

}  // namespace paddock::nodeagent
