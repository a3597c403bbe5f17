#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "controlplane/core/fleet_metrics.h"
#include "controlplane/core/image_losses.h"
#include "controlplane/core/image_plan.h"
#include "controlplane/core/image_store.h"
#include "controlplane/core/image_work.h"
#include "controlplane/core/layer_build.h"
#include "controlplane/core/node_view.h"
#include "controlplane/core/settings.h"

namespace paddock {

// Makes the images of environments, on every replica at once: whoever claims a layer builds it,
// others wait for it. Nothing is known here alone: an image that nobody works on any more is found
// by the passes of any replica. Thread-safe.
class ImageBuilder : public ImageWork {
 public:
  struct Deps {
    ImageStore* store = nullptr;
    NodeView* view = nullptr;
    NodeClient* client = nullptr;
    Executor* executor = nullptr;
    Timers* timers = nullptr;
    WatchHub* hub = nullptr;
    Clock* clock = nullptr;
    FleetMetrics* metrics = nullptr;
    // Sessions queue for nodes now. Doesn't block.
    std::function<void()> wake_reconciler = [] {};
  };

  ImageBuilder(const Deps& deps, const Settings& settings);
  // Ends the passes. Builds must have ended.
  ~ImageBuilder() override;

  // Passes from now on, on a thread of its own.
  void Start();
  void StopPasses();
  // One pass, for tests and for the thread; blocks for the database.
  absl::Status Pass();

  // The session's start found no image on its node. Doesn't block.
  void Missing(const SessionId& id, int64_t generation);

  void Kick(const EnvironmentId& id) override;
  void Recheck() override;

 private:
  // One environment whose image is looked at.
  struct Turn {
    bool again = false;  // Kicked meanwhile.
  };

  void Run();
  // These block for the database, on the executor.
  void TakeTurn(const EnvironmentId& id);
  absl::Status Advance(const EnvironmentId& id);
  absl::Status Settle(const Environment& environment, const ImagePlan& plan);
  absl::Status Claim(const Environment& environment, const ImagePlan& plan);
  void Ended(const std::shared_ptr<LayerBuild>& build, int attempt, LayerBuild::Ending ending,
             const absl::StatusOr<BuildOutcome>& outcome);
  absl::Status Committed(const LayerBuild& build, const BuiltLayer& built);
  absl::Status Failed(const LayerBuild& build, int attempt, const ImageFailure& failure);
  absl::Status TryAgain(const LayerBuild& build, int attempt, const absl::Status& why);

  void Build(const Environment& environment, const ImagePlan& plan, const Node& node,
             const std::string& build_id, int attempt);
  void Count(const LayerBuild& build, absl::string_view outcome);
  void Tell(const std::vector<EnvironmentId>& environments);
  bool IsDoubtful(const NodeId& node);
  void Doubt(const NodeId& node);

  const Deps deps_;
  const Settings settings_;
  const std::string holder_;
  ImageLosses losses_;
  absl::Duration last_expire_ = -absl::InfiniteDuration();  // These two are of passes only.
  absl::Duration last_lost_ = -absl::InfiniteDuration();
  absl::Mutex mutex_;
  std::map<EnvironmentId, Turn> turns_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<LayerBuild>> builds_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, absl::Duration> doubtful_until_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paddock
