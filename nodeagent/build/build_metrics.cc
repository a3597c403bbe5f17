#include "nodeagent/build/build_metrics.h"

#include <map>
#include <string>

#include "absl/strings/ascii.h"

namespace paddock::nodeagent {
namespace {

const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const auto* const buckets = new prometheus::Histogram::BucketBoundaries{
      0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600};
  return *buckets;
}

prometheus::Gauge& StateGauge(prometheus::Registry& registry, const char* state) {
  return prometheus::BuildGauge()
      .Name("paddock_node_builds")
      .Help("Builds of package layers on this node, by state.")
      .Register(registry)
      .Add({{"state", state}});
}

}  // namespace

BuildMetrics::BuildMetrics(prometheus::Registry& registry)
    : running_(StateGauge(registry, "running")),
      waiting_(StateGauge(registry, "waiting")),
      ends_(prometheus::BuildCounter()
                .Name("paddock_node_builds_total")
                .Help("Builds of package layers on this node, by manager and result.")
                .Register(registry)),
      seconds_(prometheus::BuildHistogram()
                   .Name("paddock_node_build_seconds")
                   .Help("Time that they took, by manager and result.")
                   .Register(registry)) {}

void BuildMetrics::SetNow(int running, int waiting) {
  running_.Set(running);
  waiting_.Set(waiting);
}

void BuildMetrics::CountEnd(absl::string_view manager, absl::string_view result,
                            absl::Duration duration) {
  const std::map<std::string, std::string> labels = {{"manager", std::string(manager)},
                                                     {"result", absl::AsciiStrToLower(result)}};
  ends_.Add(labels).Increment();
  seconds_.Add(labels, Buckets()).Observe(absl::ToDoubleSeconds(duration));
}

}  // namespace paddock::nodeagent
