#include "nodeagent/session/egress_gauges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace paddock::nodeagent {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// Values of one family, by the label values that tell them apart.
std::map<std::string, double> Values(const prometheus::Registry& registry,
                                     const std::string& family) {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& found : registry.Collect()) {
    if (found.name != family) continue;
    for (const prometheus::ClientMetric& metric : found.metric) {
      std::string key;
      for (const auto& label : metric.label) key += (key.empty() ? "" : " ") + label.value;
      values[key] = metric.gauge.value;
    }
  }
  return values;
}

TEST(EgressGaugesTest, CountsByVerdictAndSession) {
  prometheus::Registry registry;
  EgressGauges gauges(registry);
  GatewayStats stats;
  stats.egress_verdicts = {{"allowed", 3}, {"denied_name", 2}};
  stats.session_egress["sesn_a"] = {3, 2, 100, 200};
  gauges.Update(stats);
  stats.session_egress["sesn_a"].denied = 5;
  gauges.Update(stats);
  EXPECT_THAT(Values(registry, "paddock_node_egress_verdicts"),
              UnorderedElementsAre(Pair("allowed", 3), Pair("denied_name", 2)));
  EXPECT_THAT(
      Values(registry, "paddock_session_egress"),
      UnorderedElementsAre(Pair("allowed sesn_a", 3), Pair("denied sesn_a", 5),
                           Pair("bytes_sent sesn_a", 100), Pair("bytes_received sesn_a", 200)));
}

TEST(EgressGaugesTest, ASessionsSeriesGoWithIt) {
  prometheus::Registry registry;
  EgressGauges gauges(registry);
  GatewayStats stats;
  stats.session_egress["sesn_a"] = {1, 0, 0, 0};
  stats.session_egress["sesn_b"] = {2, 0, 0, 0};
  gauges.Update(stats);
  stats.session_egress.erase("sesn_a");
  gauges.Update(stats);
  EXPECT_EQ(Values(registry, "paddock_session_egress").size(), 4u);
  EXPECT_EQ(Values(registry, "paddock_session_egress").count("allowed sesn_a"), 0u);
  stats.session_egress.clear();
  gauges.Update(stats);
  EXPECT_THAT(Values(registry, "paddock_session_egress"), IsEmpty());
}

}  // namespace
}  // namespace paddock::nodeagent
