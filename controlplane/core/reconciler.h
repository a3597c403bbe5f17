#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "controlplane/core/fleet_metrics.h"
#include "controlplane/core/fleet_store.h"
#include "controlplane/core/gone_detector.h"
#include "controlplane/core/loss_detector.h"
#include "controlplane/core/node_store.h"
#include "controlplane/core/node_view.h"
#include "controlplane/core/session_driver.h"
#include "controlplane/core/settings.h"

namespace paddock {

// Brings the fleet to where it should be: places what waits, moves what drains or is lost, ends
// what is stuck, repeats stops, expires. One replica at a time, by a lease that another takes over;
// every step is safe all the same if two did it. Every replica refreshes its view of the nodes.
class Reconciler {
 public:
  struct Deps {
    FleetStore* fleet = nullptr;
    SessionStore* sessions = nullptr;
    NodeStore* nodes = nullptr;
    NodeView* view = nullptr;
    SessionDriver* driver = nullptr;
    WatchHub* hub = nullptr;
    Clock* clock = nullptr;
    FleetMetrics* metrics = nullptr;
    // Called with every pass, for gauges of others.
    std::function<void()> observe = [] {};
    // The text of the latest listing of Node objects (ParseNodeListing); null: there are none.
    std::function<absl::StatusOr<std::string>()> node_listing;
  };

  Reconciler(const Deps& deps, const Settings& settings);
  ~Reconciler();

  // Passes from now on, on a thread of its own, until the destructor.
  void Start();
  // A pass is worth while at once. Doesn't block.
  void Wake();

  // One pass, for tests and for the thread; not from several threads at once. An error: it was cut
  // short, the next one goes on.
  absl::Status Pass();

 private:
  absl::Status HoldLease();
  absl::Status Queue();
  absl::Status Place(const SessionStore::Move& move);
  absl::Status Drains();
  absl::Status Losses();
  // Machines whose Node objects are gone, by what was read at `now`.
  absl::Status Gone(absl::Duration now, const std::vector<Node>& nodes);
  std::optional<NodeListing> ReadListing();
  absl::Status Stuck();
  absl::Status Stops();
  absl::Status Every(absl::Duration interval, absl::Duration* last,
                     absl::Status (Reconciler::*task)());
  absl::Status Expire();
  void Run();
  bool ShouldRun() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return ending_ || woken_; }

  const Deps deps_;
  const Settings settings_;
  const std::string holder_;
  LossDetector detector_;
  GoneDetector gone_detector_;
  bool listing_failed_ = false;
  uint64_t seed_ = 0;
  absl::Duration last_lease_ = -absl::InfiniteDuration();
  absl::Duration last_losses_ = -absl::InfiniteDuration();
  absl::Duration last_stuck_ = -absl::InfiniteDuration();
  absl::Duration last_stops_ = -absl::InfiniteDuration();
  absl::Duration last_expire_ = -absl::InfiniteDuration();
  absl::Mutex mutex_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paddock
