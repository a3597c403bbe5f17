#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/session_phase.h"

namespace paddock::nodeagent {

// What the node agent counts about its sessions. Thread-safe.
class SessionMetrics {
 public:
  explicit SessionMetrics(std::shared_ptr<prometheus::Registry> registry);

  void StepDone(absl::string_view step, absl::Duration duration, bool ok);
  // `result`: "running", "failed", "stopped".
  void StartDone(absl::string_view result, absl::Duration duration);
  void RemoveDone(absl::Duration duration, bool ok);
  void SessionEnded(absl::string_view reason);
  void ExecStarted(absl::Duration duration);
  // `result`: "exited", "signaled", "cancelled", "timed_out", "failed".
  void ExecEnded(absl::string_view result);
  void HeartbeatDone(absl::string_view result);
  prometheus::Registry& registry() { return *registry_; }

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Histogram>& steps_;
  prometheus::Family<prometheus::Counter>& step_failures_;
  prometheus::Family<prometheus::Histogram>& starts_;
  prometheus::Family<prometheus::Histogram>& removals_;
  prometheus::Family<prometheus::Counter>& ends_;
  prometheus::Family<prometheus::Histogram>& exec_starts_;
  prometheus::Family<prometheus::Counter>& execs_;
  prometheus::Family<prometheus::Counter>& heartbeats_;
};

}  // namespace paddock::nodeagent
