#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/init/protocol.h"

namespace paddock::nodeagent {

// A command as it goes to PID 1.
struct EncodedExec {
  init_protocol::Request header;
  std::string payload;
};

// INVALID_ARGUMENT, by name: no command, a NUL inside, a malformed variable name, more than
// protocol.h allows. An empty directory means /workspace, rows or columns below 1 mean 24 and 80.
absl::StatusOr<EncodedExec> EncodeExec(const ExecSpec& spec, bool with_cgroup);

// The same command, to run on stdio that the server was given (kFlagInherit).
EncodedExec OnInheritedStdio(EncodedExec encoded);

init_protocol::Request EncodeSignal(int signal);

// Checks one packet from PID 1, which is hostile input: size, magic, version, type, ranges, and
// whether it brought the `expected_fds` descriptors of kStarted (none for the others). INTERNAL
// when malformed.
absl::StatusOr<init_protocol::Reply> ParseReply(absl::string_view packet, int fd_count,
                                                int expected_fds);

// What a kFailed reply to `spec` means: INVALID_ARGUMENT (user, group, cwd, by name),
// RESOURCE_EXHAUSTED (a limit of the sandbox), else INTERNAL.
absl::Status FailureStatus(const init_protocol::Reply& reply, const ExecSpec& spec);

}  // namespace paddock::nodeagent
