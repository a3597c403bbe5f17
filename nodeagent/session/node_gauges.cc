#include "nodeagent/session/node_gauges.h"

#include <algorithm>
#include <map>
#include <string>

#include "common/session_phase.h"

namespace paddock::nodeagent {
namespace {

prometheus::Family<prometheus::Gauge>& Family(prometheus::Registry& registry,
                                              const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

void Set(prometheus::Family<prometheus::Gauge>& family, const char* label, const std::string& value,
         int64_t number) {
  family.Add({{label, value}}).Set(static_cast<double>(number));
}

}  // namespace

NodeGauges::NodeGauges(prometheus::Registry& registry)
    : sessions_(Family(registry, "paddock_node_sessions", "Sessions of this node by phase.")),
      execs_(Family(registry, "paddock_node_execs_running", "Commands that run.").Add({})),
      usage_(Family(registry, "paddock_node_usage",
                    "Use of all sessions: memory_bytes, cpu_usec (of those that run now), pids.")),
      volumes_(
          Family(registry, "paddock_node_volumes_bytes", "The volumes' file system: used, total.")),
      gateway_up_(
          Family(registry, "paddock_node_gateway_up", "1 while the gateway process answers.")
              .Add({})),
      gateway_sessions_(Family(registry, "paddock_node_gateway",
                               "Of the gateway process: sessions, fenced_kills, problems.")),
      verdicts_(Family(registry, "paddock_node_egress_packets",
                       "Packets in the router namespace by verdict, since its rules were made.")),
      dns_(Family(registry, "paddock_node_dns_queries",
                  "Names asked for by sandboxes, by outcome, since the gateway started.")),
      egress_(registry) {}

void NodeGauges::Update(const NodeResources& resources, const SessionManager& manager,
                        const ExecService& execs) {
  std::map<SessionPhase, int64_t> phases;
  for (SessionPhase phase : {SessionPhase::kStarting, SessionPhase::kRunning,
                             SessionPhase::kStopping, SessionPhase::kTerminated}) {
    phases[phase] = 0;
  }
  for (const SessionStatus& status : manager.Statuses()) ++phases[status.phase];
  for (const auto& [phase, count] : phases) {
    Set(sessions_, "phase", std::string(SessionPhaseName(phase)), count);
  }
  execs_.Set(execs.running());
  UpdateUsage(resources, manager);
  UpdateGateway(resources.gateway);
}

void NodeGauges::UpdateUsage(const NodeResources& resources, const SessionManager& manager) {
  CgroupUsage sum;
  for (const SessionRecord& record : manager.ListRunning()) {
    const absl::StatusOr<CgroupUsage> usage = resources.cgroups->Usage(record.spec.session_id);
    if (!usage.ok()) continue;
    sum.memory_bytes += usage->memory_bytes;
    sum.cpu_usec += std::max<int64_t>(usage->cpu_usec, 0);
    sum.pids += usage->pids;
  }
  Set(usage_, "resource", "memory_bytes", sum.memory_bytes);
  Set(usage_, "resource", "cpu_usec", sum.cpu_usec);
  Set(usage_, "resource", "pids", sum.pids);
  const absl::StatusOr<VolumeStore::Usage> volumes = resources.volumes->GetFileSystemUsage();
  if (!volumes.ok()) return;
  Set(volumes_, "kind", "used", volumes->used_bytes);
  Set(volumes_, "kind", "total", volumes->limit_bytes);
}

void NodeGauges::UpdateGateway(GatewayClient* gateway) {
  const absl::StatusOr<GatewayStats> stats = gateway->Stats();
  gateway_up_.Set(stats.ok() ? 1 : 0);
  if (!stats.ok()) return;
  Set(gateway_sessions_, "kind", "sessions", stats->sessions);
  Set(gateway_sessions_, "kind", "fenced_kills", stats->fenced_kills);
  Set(gateway_sessions_, "kind", "problems", static_cast<int64_t>(stats->problems.size()));
  for (const auto& [verdict, packets] : stats->verdict_packets) {
    Set(verdicts_, "verdict", verdict, packets);
  }
  for (const auto& [outcome, queries] : stats->dns_queries) Set(dns_, "outcome", outcome, queries);
  egress_.Update(*stats);
}

}  // namespace paddock::nodeagent
