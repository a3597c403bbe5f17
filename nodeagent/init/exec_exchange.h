#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/init/wire.h"
#include "nodeagent/system/unique_fd.h"

// The steps of starting one command over a connection to the sandbox's program (protocol.h), for
// clients that differ in who is at its other end.
namespace paddock::nodeagent {

// A memfd that holds `payload`. RESOURCE_EXHAUSTED.
absl::StatusOr<UniqueFd> MakePayload(const std::string& payload);

// Takes back a payload: who hasn't read it by now finds it empty, and starts nothing.
absl::Status RevokePayload(int payload_fd);

// Sends the request with its payload, and with `cgroup_procs_fd` unless that is -1. Never blocks.
absl::Status SendExec(int connection, const EncodedExec& encoded, int payload_fd,
                      int cgroup_procs_fd);

// Takes the answer, which must be there to be received. `inherits`: the command has its stdio
// already, and `streams` is left alone. Errors as InitClient::Exec.
absl::StatusOr<std::unique_ptr<ExecHandle>> ReceiveStarted(const ExecSpec& spec, bool inherits,
                                                           UniqueFd connection,
                                                           ExecStreams* streams);

}  // namespace paddock::nodeagent
