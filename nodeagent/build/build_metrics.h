#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

// What this node's builds do: paddock_node_builds{state} (running, waiting for their turn),
// paddock_node_builds_total and paddock_node_build_seconds{manager,result}; `result` is built, a
// failure's reason in lower case, cancelled, or error. Thread-safe.
class BuildMetrics {
 public:
  explicit BuildMetrics(prometheus::Registry& registry);

  void SetNow(int running, int waiting);
  // `duration` is without the wait.
  void CountEnd(absl::string_view manager, absl::string_view result, absl::Duration duration);

 private:
  prometheus::Gauge& running_;
  prometheus::Gauge& waiting_;
  prometheus::Family<prometheus::Counter>& ends_;
  prometheus::Family<prometheus::Histogram>& seconds_;
};

}  // namespace paddock::nodeagent
