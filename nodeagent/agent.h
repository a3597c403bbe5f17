#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/grpc_server.h"
#include "common/metrics_server.h"
#include "common/rpc_metrics.h"
#include "nodeagent/agent_flags.h"
#include "nodeagent/api/control_plane_client.h"
#include "nodeagent/api/node_agent_service.h"
#include "nodeagent/build/layer_builder.h"
#include "nodeagent/build/layer_collector.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/image/layer_registry.h"
#include "nodeagent/runtime/runtime_factory.h"
#include "nodeagent/session/egress_archive.h"
#include "nodeagent/session/egress_feed.h"
#include "nodeagent/session/egress_reader.h"
#include "nodeagent/session/exec_clients.h"
#include "nodeagent/session/exec_service.h"
#include "nodeagent/session/housekeeper.h"
#include "nodeagent/session/node_gauges.h"
#include "nodeagent/session/node_identity.h"
#include "nodeagent/session/runtime_prover.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/session/start_health.h"
#include "nodeagent/session/tombstone_log.h"

namespace paddock::nodeagent {

// Everything of one running node agent, put together in the order in which it must come up: the
// machine, what an earlier agent left, then the server, then the control plane. Destroying it ends
// the agent; sessions and gateway process go on.
class Agent {
 public:
  // `on_superseded` is called when another agent has taken over the node.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(const AgentFlags& flags,
                                                      std::function<void()> on_superseded);
  ~Agent();

 private:
  explicit Agent(const AgentFlags& flags) : flags_(flags) {}

  absl::Status TakeNode();
  absl::Status OpenStorage();
  absl::Status OpenLayers();
  absl::Status OpenIsolation();
  absl::Status OpenSessions();
  // Decides which runtime classes are offered, and which one is the default.
  void ProveRuntimes();
  absl::Status Serve();
  absl::Status Join(std::function<void()> on_superseded);
  absl::Status OpenBuilds();
  void PushLayer(const Layer& layer);
  absl::StatusOr<NodeDescription> Describe();
  void DescribeBuilds(internal::v1::RegisterRequest* request);

  const AgentFlags flags_;
  UniqueFd lock_;
  std::string node_id_;
  std::string epoch_;
  std::string boot_id_;
  std::string base_image_;
  std::unique_ptr<VolumeStore> volumes_;
  std::unique_ptr<LayerStore> local_layers_;
  std::unique_ptr<LayerRegistry> layer_registry_;
  std::unique_ptr<LayerStore> layers_;  // Those of this node, and of the registry if there is one.
  std::unique_ptr<CgroupManager> cgroups_;
  OciRuntimes runtimes_;
  std::unique_ptr<GatewayProcess> gateway_;
  std::unique_ptr<NamespacePool> pool_;
  NodeResources resources_;
  NodeResources build_resources_;
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  std::unique_ptr<SessionMetrics> metrics_;
  std::unique_ptr<RpcMetrics> rpc_metrics_;
  std::unique_ptr<NodeGauges> gauges_;
  std::unique_ptr<TombstoneLog> tombstones_;
  std::unique_ptr<PollLoop> loop_;
  std::unique_ptr<EgressArchive> egress_archive_;
  std::unique_ptr<RuntimeProver> prover_;
  std::unique_ptr<StartHealth> start_health_;
  std::unique_ptr<SessionManager> manager_;
  std::unique_ptr<IncidentMonitor> incidents_;
  std::unique_ptr<SerialExecutor> exec_executor_;
  std::unique_ptr<ExecClients> exec_clients_;
  std::unique_ptr<ExecService> execs_;
  std::unique_ptr<BuildMetrics> build_metrics_;
  std::unique_ptr<LayerBuilder> builder_;
  std::unique_ptr<LayerCollector> collector_;
  std::unique_ptr<EgressReader> egress_reader_;
  std::unique_ptr<EgressFeed> egress_feed_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::shared_ptr<TlsIdentity> identity_;
  std::unique_ptr<NodeAgentService> service_;
  std::unique_ptr<MetricsServer> metrics_server_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<ControlPlaneClient> control_plane_;
};

// Opens what a subcommand needs to work on this node's volumes, as the agent does.
absl::Status PrepareNodeVolumes(const AgentFlags& flags);

}  // namespace paddock::nodeagent
