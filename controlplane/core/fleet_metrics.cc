#include "controlplane/core/fleet_metrics.h"

namespace paddock {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets& SecondsBuckets() {
  static const Buckets* const buckets =
      new Buckets{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60};
  return *buckets;
}

const Buckets& BuildBuckets() {
  static const Buckets* const buckets =
      new Buckets{0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600};
  return *buckets;
}

}  // namespace

FleetMetrics::FleetMetrics(prometheus::Registry* registry)
    : steps_(BuildHistogram()
                 .Name("paddock_create_step_seconds")
                 .Help("Time of the steps of creating a session")
                 .Register(*registry)),
      creates_(BuildCounter()
                   .Name("paddock_session_creates_total")
                   .Help("Sessions created, by the state or error answered")
                   .Register(*registry)),
      heartbeats_(BuildCounter()
                      .Name("paddock_heartbeats_total")
                      .Help("Heartbeats of node agents, by outcome")
                      .Register(*registry)),
      builds_(BuildCounter()
                  .Name("paddock_layer_builds_total")
                  .Help("Builds of layers that this replica has driven, by manager and outcome")
                  .Register(*registry)),
      build_seconds_(BuildHistogram()
                         .Name("paddock_layer_build_seconds")
                         .Help("Time of those builds, by manager and outcome")
                         .Register(*registry)),
      builds_under_way_(BuildGauge()
                            .Name("paddock_layer_builds_under_way")
                            .Help("Builds of layers that this replica drives now")
                            .Register(*registry)
                            .Add({})),
      images_waiting_(BuildGauge()
                          .Name("paddock_images_waiting")
                          .Help("Images to be made that no build is under way for (as read, at "
                                "most 200)")
                          .Register(*registry)
                          .Add({})),
      renewals_(BuildCounter()
                    .Name("paddock_build_lease_renewals_total")
                    .Help("Times that this replica has renewed the lease of a build")
                    .Register(*registry)
                    .Add({})),
      nodes_(BuildGauge().Name("paddock_nodes").Help("Nodes by state").Register(*registry)),
      connections_(BuildGauge()
                       .Name("paddock_database_connections")
                       .Help("Database connections in use, and transactions waiting for one")
                       .Register(*registry)),
      batch_size_(BuildHistogram()
                      .Name("paddock_heartbeat_batch_size")
                      .Help("Heartbeats written in one transaction")
                      .Register(*registry)
                      .Add({}, Buckets{1, 2, 5, 10, 20, 50, 100, 200, 500})),
      reconcile_(BuildHistogram()
                     .Name("paddock_reconcile_seconds")
                     .Help("Time of one pass of the reconciler")
                     .Register(*registry)
                     .Add({}, SecondsBuckets())),
      queue_length_(BuildGauge()
                        .Name("paddock_queue_length")
                        .Help("Sessions that wait for a node (as read, at most 1,000)")
                        .Register(*registry)
                        .Add({})),
      watchers_(BuildGauge()
                    .Name("paddock_watchers")
                    .Help("Watches of this replica")
                    .Register(*registry)
                    .Add({})) {}

void FleetMetrics::ObserveStep(absl::string_view step, absl::Duration duration) {
  steps_.Add({{"step", std::string(step)}}, SecondsBuckets())
      .Observe(absl::ToDoubleSeconds(duration));
}

void FleetMetrics::CountCreate(absl::string_view outcome) {
  creates_.Add({{"outcome", std::string(outcome)}}).Increment();
}

void FleetMetrics::CountHeartbeat(absl::string_view outcome) {
  heartbeats_.Add({{"outcome", std::string(outcome)}}).Increment();
}

void FleetMetrics::CountBuild(absl::string_view manager, absl::string_view outcome) {
  builds_.Add({{"manager", std::string(manager)}, {"outcome", std::string(outcome)}}).Increment();
}

void FleetMetrics::ObserveBuild(absl::string_view manager, absl::string_view outcome,
                                absl::Duration duration) {
  build_seconds_
      .Add({{"manager", std::string(manager)}, {"outcome", std::string(outcome)}}, BuildBuckets())
      .Observe(absl::ToDoubleSeconds(duration));
}

void FleetMetrics::SetBuildsUnderWay(size_t count) {
  builds_under_way_.Set(static_cast<double>(count));
}

void FleetMetrics::SetImagesWaiting(size_t count) {
  images_waiting_.Set(static_cast<double>(count));
}

void FleetMetrics::CountRenewal() { renewals_.Increment(); }

void FleetMetrics::ObserveBatch(size_t size) { batch_size_.Observe(static_cast<double>(size)); }

void FleetMetrics::SetNodes(absl::string_view state, int64_t count) {
  nodes_.Add({{"state", std::string(state)}}).Set(static_cast<double>(count));
}

void FleetMetrics::SetQueueLength(int64_t length) {
  queue_length_.Set(static_cast<double>(length));
}

void FleetMetrics::SetWatchers(int64_t count) { watchers_.Set(static_cast<double>(count)); }

void FleetMetrics::SetConnections(int64_t in_use, int64_t waiting) {
  connections_.Add({{"state", "in_use"}}).Set(static_cast<double>(in_use));
  connections_.Add({{"state", "waiting"}}).Set(static_cast<double>(waiting));
}

void FleetMetrics::ObserveReconcile(absl::Duration duration) {
  reconcile_.Observe(absl::ToDoubleSeconds(duration));
}

}  // namespace paddock
