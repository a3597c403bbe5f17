#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "controlplane/core/executor.h"
#include "controlplane/core/fleet_metrics.h"
#include "controlplane/core/image_store.h"
#include "controlplane/core/node_client.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// Lines and bytes of one build's log that are kept; the rest is dropped, and said to be.
inline constexpr int64_t kMaxLogLines = 20'000;
inline constexpr size_t kMaxLogBytes = size_t{4} << 20;

// One build that this replica has claimed: calls the node, keeps the lease meanwhile, stores the
// log in batches. Ends the call when nobody needs it any more, and when the lease may be lost: what
// another replica does then must not be disturbed. Holds no thread. Lives until it has ended by
// shared ownership. Thread-safe.
class LayerBuild : public std::enable_shared_from_this<LayerBuild> {
 public:
  struct Deps {
    ImageStore* store = nullptr;
    NodeClient* client = nullptr;
    Executor* executor = nullptr;
    Timers* timers = nullptr;
    WatchHub* hub = nullptr;
    Clock* clock = nullptr;
    FleetMetrics* metrics = nullptr;
  };

  enum class Ending {
    kAnswered,  // `outcome` is what the node said.
    kUnneeded,  // It was cancelled because no image waits for it.
    kLost,      // The lease is, or may be, somebody else's: nothing may be written.
  };
  // Runs once, on the executor.
  using Done = std::function<void(Ending ending, absl::StatusOr<BuildOutcome> outcome)>;

  LayerBuild(const Deps& deps, NodeTarget node, LayerOrder order, absl::Duration lease, Done done);

  // Doesn't block. Call once.
  void Start();
  // Looks in a moment whether it is needed. Doesn't block.
  void Recheck();

  const NodeTarget& node() const { return node_; }
  const LayerOrder& order() const { return order_; }
  // Since it was made.
  absl::Duration age() const { return deps_.clock->Monotonic() - begun_; }

 private:
  void RenewLater();
  // These block, on the executor.
  void Renew();
  void Flush();
  void Finish(absl::StatusOr<BuildOutcome> outcome);

  void OnLine(std::string line);
  void Stop(Ending ending);
  void FlushOnExecutor();
  bool NotFlushing() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !flushing_; }

  const Deps deps_;
  const NodeTarget node_;
  const LayerOrder order_;
  const absl::Duration lease_;
  const Done done_;
  const absl::Duration begun_;
  absl::Mutex mutex_;
  std::shared_ptr<NodeCall> call_ ABSL_GUARDED_BY(mutex_);
  Ending ending_ ABSL_GUARDED_BY(mutex_) = Ending::kAnswered;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration renewed_at_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);  // Not stored yet.
  int64_t stored_ ABSL_GUARDED_BY(mutex_) = 0;              // Lines that are.
  int64_t seen_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool flush_planned_ ABSL_GUARDED_BY(mutex_) = false;
  bool flushing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock
