#include "nodeagent/session/egress_gauges.h"

#include <utility>

namespace paddock::nodeagent {

EgressGauges::EgressGauges(prometheus::Registry& registry)
    : verdicts_(prometheus::BuildGauge()
                    .Name("paddock_node_egress_verdicts")
                    .Help("Connections and look-ups of limited sessions by verdict, since the "
                          "gateway process started.")
                    .Register(registry)),
      connections_(prometheus::BuildGauge()
                       .Name("paddock_node_egress_connections")
                       .Help("Connections that the gateway process relays now.")
                       .Register(registry)
                       .Add({})),
      sessions_(prometheus::BuildGauge()
                    .Name("paddock_session_egress")
                    .Help("Of one session, while it lives and since the gateway process started: "
                          "allowed and denied connections, bytes_sent, bytes_received.")
                    .Register(registry)) {}

void EgressGauges::Update(const GatewayStats& stats) {
  for (const auto& [verdict, count] : stats.egress_verdicts) {
    verdicts_.Add({{"verdict", verdict}}).Set(static_cast<double>(count));
  }
  connections_.Set(static_cast<double>(stats.open_connections));
  absl::MutexLock lock(&mutex_);
  for (auto session = by_session_.begin(); session != by_session_.end();) {
    if (stats.session_egress.count(session->first) > 0) {
      ++session;
      continue;
    }
    for (prometheus::Gauge* gauge : session->second) sessions_.Remove(gauge);
    session = by_session_.erase(session);
  }
  for (const auto& [id, counts] : stats.session_egress) {
    std::vector<prometheus::Gauge*>& gauges = by_session_[id];
    const std::pair<const char*, int64_t> values[] = {{"allowed", counts.allowed},
                                                      {"denied", counts.denied},
                                                      {"bytes_sent", counts.bytes_sent},
                                                      {"bytes_received", counts.bytes_received}};
    const bool known = !gauges.empty();
    for (size_t i = 0; i < std::size(values); ++i) {
      const auto& [kind, value] = values[i];
      if (!known) gauges.push_back(&sessions_.Add({{"session_id", id}, {"kind", kind}}));
      gauges[i]->Set(static_cast<double>(value));
    }
  }
}

}  // namespace paddock::nodeagent
