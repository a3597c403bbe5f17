#include "nodeagent/session/session_metrics.h"

#include <string>
#include <utility>

namespace paddock::nodeagent {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildHistogram;

// Seconds; a warm start takes about 10 ms.
const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const auto* const buckets = new prometheus::Histogram::BucketBoundaries{
      0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.025,
      0.05,   0.1,     0.25,   0.5,   1,     2.5,   5,     10,    30};
  return *buckets;
}

}  // namespace

SessionMetrics::SessionMetrics(std::shared_ptr<prometheus::Registry> registry)
    : registry_(std::move(registry)),
      steps_(BuildHistogram()
                 .Name("paddock_node_start_step_seconds")
                 .Help("Duration of the steps of session starts.")
                 .Register(*registry_)),
      step_failures_(BuildCounter()
                         .Name("paddock_node_start_step_failures_total")
                         .Help("Steps of session starts that failed.")
                         .Register(*registry_)),
      starts_(BuildHistogram()
                  .Name("paddock_node_session_start_seconds")
                  .Help("Session starts by result: running, failed, stopped.")
                  .Register(*registry_)),
      removals_(BuildHistogram()
                    .Name("paddock_node_session_remove_seconds")
                    .Help("Removals of sessions, failed tries (repeated later) by themselves.")
                    .Register(*registry_)),
      ends_(BuildCounter()
                .Name("paddock_node_sessions_ended_total")
                .Help("Sessions that ended by themselves or by failure, by reason.")
                .Register(*registry_)),
      exec_starts_(BuildHistogram()
                       .Name("paddock_node_exec_start_seconds")
                       .Help("From an exec request to the started command.")
                       .Register(*registry_)),
      execs_(BuildCounter()
                 .Name("paddock_node_execs_total")
                 .Help("Execs by result: exited, signaled, cancelled, timed_out, failed.")
                 .Register(*registry_)),
      heartbeats_(BuildCounter()
                      .Name("paddock_node_heartbeats_total")
                      .Help("Heartbeats by result: ok, failed.")
                      .Register(*registry_)) {}

void SessionMetrics::StepDone(absl::string_view step, absl::Duration duration, bool ok) {
  steps_.Add({{"step", std::string(step)}}, Buckets()).Observe(absl::ToDoubleSeconds(duration));
  if (!ok) step_failures_.Add({{"step", std::string(step)}}).Increment();
}

void SessionMetrics::StartDone(absl::string_view result, absl::Duration duration) {
  starts_.Add({{"result", std::string(result)}}, Buckets())
      .Observe(absl::ToDoubleSeconds(duration));
}

void SessionMetrics::RemoveDone(absl::Duration duration, bool ok) {
  removals_.Add({{"result", ok ? "ok" : "failed"}}, Buckets())
      .Observe(absl::ToDoubleSeconds(duration));
}

void SessionMetrics::SessionEnded(absl::string_view reason) {
  ends_.Add({{"reason", std::string(reason)}}).Increment();
}

void SessionMetrics::ExecStarted(absl::Duration duration) {
  exec_starts_.Add({}, Buckets()).Observe(absl::ToDoubleSeconds(duration));
}

void SessionMetrics::ExecEnded(absl::string_view result) {
  execs_.Add({{"result", std::string(result)}}).Increment();
}

void SessionMetrics::HeartbeatDone(absl::string_view result) {
  heartbeats_.Add({{"result", std::string(result)}}).Increment();
}

}  // namespace paddock::nodeagent
