#include "common/rpc_metrics.h"

#include "absl/strings/str_cat.h"

namespace paddock {
namespace {

const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const auto* const buckets = new prometheus::Histogram::BucketBoundaries{
      0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600};
  return *buckets;
}

}  // namespace

RpcMetrics::RpcMetrics(prometheus::Registry* registry)
    : durations_(prometheus::BuildHistogram()
                     .Name("paddock_rpc_duration_seconds")
                     .Help("Time from a call's arrival to its answer; of streams, to their end.")
                     .Register(*registry)),
      in_flight_(prometheus::BuildGauge()
                     .Name("paddock_rpc_in_flight")
                     .Help("Calls that aren't answered yet.")
                     .Register(*registry)) {}

void RpcMetrics::Started(absl::string_view method) { InFlight(method).Increment(); }

void RpcMetrics::Finished(absl::string_view method, absl::StatusCode code, absl::Duration took) {
  InFlight(method).Decrement();
  Duration(method, code).Observe(absl::ToDoubleSeconds(took));
}

prometheus::Histogram& RpcMetrics::Duration(absl::string_view method, absl::StatusCode code) {
  const std::string key = absl::StrCat(method, "/", static_cast<int>(code));
  absl::MutexLock lock(&mutex_);
  prometheus::Histogram*& histogram = duration_by_key_[key];
  if (histogram == nullptr) {
    histogram = &durations_.Add(
        {{"method", std::string(method)}, {"code", absl::StatusCodeToString(code)}}, Buckets());
  }
  return *histogram;
}

prometheus::Gauge& RpcMetrics::InFlight(absl::string_view method) {
  absl::MutexLock lock(&mutex_);
  prometheus::Gauge*& gauge = in_flight_by_method_[std::string(method)];
  if (gauge == nullptr) gauge = &in_flight_.Add({{"method", std::string(method)}});
  return *gauge;
}

}  // namespace paddock
