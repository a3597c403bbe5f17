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
#include "controlplane/core/report_history.h"
#include "controlplane/core/report_plan.h"
#include "controlplane/core/session_driver.h"
#include "controlplane/core/settings.h"

namespace paddock {

// NodeRegistry that writes the heartbeats of many nodes in one transaction, and reads for all of
// them at once only what their reports or desired states have that is new (ReportHistory). Has
// threads of its own, so that creates can't starve heartbeats. Thread-safe.
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
    // How long the first heartbeat of a batch waits for others; longer when there are many, as
    // then a batch saves more than the wait costs.
    absl::Duration batch_window = absl::Milliseconds(20);
    size_t many = 5;
    absl::Duration batch_window_of_many = absl::Milliseconds(100);
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
  // A heartbeat that was written, on its way to its answer.
  struct Written {
    Pending pending;
    int64_t revision = 0;  // The node's.
    ReportHistory::Look look;
    std::vector<PlacementState> placements;  // What the look asked for.
  };

  void RunBatches();
  std::vector<Pending> TakeBatch();
  void Write(std::vector<Pending> batch);
  // Answers what needs no look, and reads what the others need.
  void LookAt(std::vector<Written> written);
  // Answers at once unless the heartbeat was written; then it is left to the caller.
  bool AnswerUnlessWritten(Pending& pending, const HeartbeatOutcome& outcome);
  absl::StatusOr<HeartbeatAnswer> Process(const Written& written);
  // What the agent hasn't applied yet, as far as it doesn't report it already.
  absl::StatusOr<std::vector<DesiredSession>> NewOrders(const Written& written,
                                                        const ReportPlan& plan);
  absl::Status Execute(const NodeId& node, const std::string& epoch, const ReportPlan& plan);
  absl::Status UpdateImages(const std::vector<const HeartbeatReport*>& reports);
  HeartbeatAnswer NewAnswer(int64_t revision) const;
  bool HasPending() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return ending_ || !pending_.empty();
  }
  bool BatchIsFull() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return ending_ || pending_.size() >= options_.max_batch;
  }

  bool IsQuiet() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !ending_ && pending_.size() < options_.many;
  }

  const Deps deps_;
  const Settings settings_;
  const Options options_;
  ReportHistory history_;
  absl::Mutex mutex_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<NodeId, WrittenImages> images_ ABSL_GUARDED_BY(mutex_);
  ThreadPool workers_;
  std::thread batcher_;
};

}  // namespace paddock
