#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace paddock {

// What the control plane counts. Thread-safe.
class FleetMetrics {
 public:
  explicit FleetMetrics(prometheus::Registry* registry);

  // paddock_create_step_seconds: `place` (first transaction), `start` (agent and second
  // transaction), `total`; of the agent's own steps image, volume, namespaces, network, container.
  void ObserveStep(absl::string_view step, absl::Duration duration);
  // paddock_session_creates_total by the state that was answered, or the error's code.
  void CountCreate(absl::string_view outcome);
  // paddock_heartbeats_total by outcome; paddock_heartbeat_batch_size.
  void CountHeartbeat(absl::string_view outcome);
  void ObserveBatch(size_t size);
  // paddock_nodes by state.
  void SetNodes(absl::string_view state, int64_t count);
  // paddock_queue_length, paddock_watchers, paddock_database_connections{state}.
  void SetQueueLength(int64_t length);
  void SetWatchers(int64_t count);
  void SetConnections(int64_t in_use, int64_t waiting);
  // paddock_layer_builds_total by manager and outcome: built, failed, retried, cancelled, lost.
  void CountBuild(absl::string_view manager, absl::string_view outcome);
  // paddock_layer_build_seconds, by the same.
  void ObserveBuild(absl::string_view manager, absl::string_view outcome, absl::Duration duration);
  // paddock_layer_builds_under_way, paddock_images_waiting, paddock_build_lease_renewals_total.
  void SetBuildsUnderWay(size_t count);
  void SetImagesWaiting(size_t count);
  void CountRenewal();
  // paddock_reconcile_seconds.
  void ObserveReconcile(absl::Duration duration);

 private:
  prometheus::Family<prometheus::Histogram>& steps_;
  prometheus::Family<prometheus::Counter>& creates_;
  prometheus::Family<prometheus::Counter>& heartbeats_;
  prometheus::Family<prometheus::Counter>& builds_;
  prometheus::Family<prometheus::Histogram>& build_seconds_;
  prometheus::Gauge& builds_under_way_;
  prometheus::Gauge& images_waiting_;
  prometheus::Counter& renewals_;
  prometheus::Family<prometheus::Gauge>& nodes_;
  prometheus::Family<prometheus::Gauge>& connections_;
  prometheus::Histogram& batch_size_;
  prometheus::Histogram& reconcile_;
  prometheus::Gauge& queue_length_;
  prometheus::Gauge& watchers_;
};

}  // namespace paddock
