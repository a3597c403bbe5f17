#pragma once

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/egress/gateway_client.h"

namespace paddock::nodeagent {

// What the gateway process counts of network policies: by verdict for the node, and for each
// session while the gateway process has it, so that there are never more series than sessions
// times kinds. Thread-safe.
class EgressGauges {
 public:
  explicit EgressGauges(prometheus::Registry& registry);
  void Update(const GatewayStats& stats) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  prometheus::Family<prometheus::Gauge>& verdicts_;
  prometheus::Gauge& connections_;
  prometheus::Family<prometheus::Gauge>& sessions_;
  absl::Mutex mutex_;
  std::map<std::string, std::vector<prometheus::Gauge*>> by_session_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
