#pragma once

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <memory>

#include "nodeagent/session/egress_gauges.h"
#include "nodeagent/session/exec_service.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// What there is now on this node: sessions by phase, running commands, use of cpu, memory,
// processes and disk, the gateway process's counts. Set by Update. Thread-safe.
class NodeGauges {
 public:
  explicit NodeGauges(prometheus::Registry& registry);
  void Update(const NodeResources& resources, const SessionManager& manager,
              const ExecService& execs);

 private:
  void UpdateUsage(const NodeResources& resources, const SessionManager& manager);
  void UpdateGateway(GatewayClient* gateway);

  prometheus::Family<prometheus::Gauge>& sessions_;
  prometheus::Gauge& execs_;
  prometheus::Family<prometheus::Gauge>& usage_;
  prometheus::Family<prometheus::Gauge>& volumes_;
  prometheus::Gauge& gateway_up_;
  prometheus::Family<prometheus::Gauge>& gateway_sessions_;
  prometheus::Family<prometheus::Gauge>& verdicts_;
  prometheus::Family<prometheus::Gauge>& dns_;
  EgressGauges egress_;
};

}  // namespace paddock::nodeagent
