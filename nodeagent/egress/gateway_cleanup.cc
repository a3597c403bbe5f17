#include <poll.h>
#include <signal.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_cgroup.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/egress/supervised_gateway.h"
#include "nodeagent/net/forwarding.h"
#include "nodeagent/net/network_plan.h"
#include "nodeagent/net/nft.h"
#include "nodeagent/net/nft_renderer.h"
#include "nodeagent/net/router_network.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kGraceful = absl::Seconds(3);
constexpr absl::Duration kKilled = absl::Seconds(10);

bool WaitForEnd(int pidfd, absl::Duration timeout) {
  pollfd poller = {pidfd, POLLIN, 0};
  return poll(&poller, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) == 1;
}

absl::Status StopGateway(const GatewayOptions& options) {
  absl::StatusOr<UniqueFd> process = FindGateway(options);
  if (absl::IsNotFound(process.status())) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(process.status());
  PADDOCK_RETURN_IF_ERROR(PidfdKill(process->get(), SIGTERM));
  if (WaitForEnd(process->get(), kGraceful)) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(PidfdKill(process->get(), SIGKILL));
  if (WaitForEnd(process->get(), kKilled)) return absl::OkStatus();
  return absl::DeadlineExceededError("the gateway process can't be killed");
}

absl::Status RemoveHostTable(const NetworkPlan& plan) {
  PADDOCK_ASSIGN_OR_RETURN(Nft nft, Nft::Create());
  return nft.Run(RenderTableRemoval(plan.HostTable()));
}

}  // namespace

absl::Status CleanUpGateway(const GatewayOptions& options) {
  PADDOCK_ASSIGN_OR_RETURN(NetworkPlan plan, NetworkPlan::Create(options.instance, options.subnet));
  // With the process alive the rest would come back.
  PADDOCK_RETURN_IF_ERROR(StopGateway(options));
  absl::Status first;
  first.Update(RemoveRouter(plan, options.RouterNetns()));
  first.Update(RemoveHostTable(plan));
  first.Update(SharedForwarding().Release(plan.instance()));
  first.Update(RemoveGatewayCgroups(options.instance));
  // The files say what to remove: they go when all else is gone.
  if (first.ok()) first.Update(RemoveTree(options.directory));
  return first;
}

}  // namespace paddock::nodeagent
