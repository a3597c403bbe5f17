#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/egress/gateway_options.h"

namespace paddock::nodeagent {

// The agent's handle on the gateway process: exactly one runs, in a session and cgroup of its own,
// so that it outlives the agent. Thread-safe.
class GatewayProcess {
 public:
  // Finds the one that runs already (by pid, start time and socket) or starts one, and returns when
  // it answers: the router namespace, the rules and the sessions that it knew before are in place.
  // From then on a thread restarts it whenever it dies. FAILED_PRECONDITION if the one that runs
  // has another instance or subnet; UNAVAILABLE, with the last lines of its log, if it can't start.
  static absl::StatusOr<std::unique_ptr<GatewayProcess>> Start(const GatewayOptions& options);
  // Stops supervising. The process goes on.
  virtual ~GatewayProcess() = default;
  // Valid as long as this object.
  virtual GatewayClient* client() = 0;
  // OK while it runs and answers. INVALID_ARGUMENT when it does, but lets nothing out because the
  // operator's file has an error: which, in words for the operator.
  virtual absl::Status Health() = 0;
};

// Stops the gateway process, and removes everything it made: router namespace, uplink, nftables
// tables, forwarding sysctl (unless another agent needs it), cgroups, its files. Idempotent; goes
// on after a failure and returns the first one. For `nodeagent cleanup`, with the agent stopped.
absl::Status CleanUpGateway(const GatewayOptions& options);

// Body of `nodeagent gateway`; argv[0] is "gateway". Goes to the background, and the calling
// process exits with 0 once the gateway answers.
int GatewayMain(int argc, char** argv);

}  // namespace paddock::nodeagent
