#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace paddock {

// What a server says of its calls: `paddock_rpc_duration_seconds{method,code}` (of streams: their
// whole life) and `paddock_rpc_in_flight{method}`. Thread-safe; outlived by the registry.
class RpcMetrics {
 public:
  explicit RpcMetrics(prometheus::Registry* registry);

  // `method` is one of our own names, never a client's string.
  void Started(absl::string_view method);
  void Finished(absl::string_view method, absl::StatusCode code, absl::Duration took);

 private:
  prometheus::Histogram& Duration(absl::string_view method, absl::StatusCode code);
  prometheus::Gauge& InFlight(absl::string_view method);

  prometheus::Family<prometheus::Histogram>& durations_;
  prometheus::Family<prometheus::Gauge>& in_flight_;
  // Looked up here instead of in the families, whose label maps cost more.
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, prometheus::Histogram*> duration_by_key_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, prometheus::Gauge*> in_flight_by_method_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
