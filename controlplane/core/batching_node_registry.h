#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/thread_pool.h"
#include "controlplane/core/fleet_metrics.h"
#include "controlplane/core/nodes.h"
#include "controlplane/core/report_plan.h"
#include "controlplane/core/session_driver.h"
#include "controlplane/core/settings.h"

namespace paddock {

// NodeRegistry that writes the heartbeats of many nodes in one transaction, and looks at a node's
// sessions only when its report or its desired state has changed. Has threads of its own, so that
// creates can't starve heartbeats. Thread-safe.
class BatchingNodeRegistry : public NodeRegistry {
 public:
  struct Deps {
    NodeStore* store = nullptr;
    SessionDriver* driver = nullptr;
    WatchHub* hub = nullptr;
    FleetMetrics* metrics = nullptr;
    std::function<void()> wake_reconciler = [] {};
    Clock* clock = Clock::Real();
  };
  struct Options {
    // How long the first heartbeat of a batch waits for others.
    absl::Duration batch_window = absl::Milliseconds(20);
    size_t max_batch = 500;
    size_t max_queued = 20'000;
    int threads = 2;
  };

  BatchingNodeRegistry(const Deps& deps, const Settings& settings, const Options& options);
  ~BatchingNodeRegistry() override;

  absl::StatusOr<HeartbeatAnswer> Register(const NodeRegistration& registration) override;
  void Heartbeat(HeartbeatReport report, HeartbeatCallback callback) override;
  absl::Status ReportSessions(const NodeId& node, const std::string& epoch,
                              const std::vector<SessionStatus>& sessions) override;

 private:
  struct Pending {
    HeartbeatReport report;
    HeartbeatCallback callback;
  };
  // The images of a node as they were written last.
  struct WrittenImages {
    size_t digest = 0;
    absl::Duration at;  // Monotonic.
  };
  // The last report of a node that led to nothing; an equal one leads to nothing again.
  struct Settled {
    std::string epoch;
    int64_t revision = 0;
    size_t digest = 0;
  };

  void RunBatches();
  std::vector<Pending> TakeBatch();
  void Write(std::vector<Pending> batch);
  void Answer(const Pending& pending, const HeartbeatOutcome& outcome);
  absl::StatusOr<HeartbeatAnswer> Process(const HeartbeatReport& report,
                                          const HeartbeatOutcome& outcome);
  bool IsSettled(const HeartbeatReport& report, int64_t revision, size_t digest);
  absl::Status Execute(const NodeId& node, const std::string& epoch, const ReportPlan& plan);
  absl::Status UpdateImages(const HeartbeatReport& report);
  HeartbeatAnswer NewAnswer(int64_t revision) const;
  bool HasPending() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return ending_ || !pending_.empty();
  }
  bool BatchIsFull() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return ending_ || pending_.size() >= options_.max_batch;
  }

  const Deps deps_;
  const Settings settings_;
  const Options options_;
  absl::Mutex mutex_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<NodeId, Settled> settled_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, WrittenImages> images_ ABSL_GUARDED_BY(mutex_);
  ThreadPool workers_;
  std::thread batcher_;
};

}  // namespace paddock
