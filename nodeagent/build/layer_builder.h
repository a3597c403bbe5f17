#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/build/build_control.h"
#include "nodeagent/build/build_metrics.h"
#include "nodeagent/build/build_sandbox.h"
#include "nodeagent/build/build_types.h"
#include "nodeagent/build/layer_build.h"

namespace paddock::nodeagent {

struct LayerBuilderOptions {
  int max_running = 2;
  int max_waiting = 64;
  absl::Duration default_timeout = absl::Minutes(30);
  absl::Duration max_timeout = absl::Hours(4);
};

// Builds layers on this node: few at once, the rest wait; of builds for one cache key one after the
// other, so that the second finds what the first made. A thread each. Thread-safe.
class LayerBuilder {
 public:
  // `metrics` may be null.
  LayerBuilder(const LayerBuilderOptions& options, const BuildResources& resources,
               BuildMetrics* metrics);
  ~LayerBuilder();

  // Cancels what runs, waits for its end, and takes nothing more. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Begins, or refuses and never calls the observer: INVALID_ARGUMENT, RESOURCE_EXHAUSTED when too
  // many wait. The observer must live until it hears the end; `control` ends the build early.
  absl::Status Start(BuildSpec spec, std::shared_ptr<BuildControl> control,
                     BuildObserver* observer);

  // Layers that builds under way stand on.
  std::set<std::string> ImagesInUse() const;
  int running() const;

 private:
  struct Job {
    BuildSpec spec;
    std::shared_ptr<BuildControl> control;
    BuildObserver* observer = nullptr;
    std::string sandbox_id;
    std::thread thread;
    bool has_slot = false;
    bool ended = false;
  };

  void Run(Job* job);
  // Tells how it ended; `outcome` is the result for metrics.
  std::string Tell(Job* job, const absl::StatusOr<LayerBuild::Outcome>& outcome);
  void Measure() ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // False when it was cancelled while it waited.
  bool AwaitSlot(Job* job) ABSL_LOCKS_EXCLUDED(mutex_);
  bool MayRun(const Job& job) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void JoinEnded() ABSL_LOCKS_EXCLUDED(mutex_);

  const LayerBuilderOptions options_;
  const BuildResources resources_;
  BuildMetrics* const metrics_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // By sandbox, so in the order of their coming.
  std::map<std::string, std::unique_ptr<Job>> jobs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
