#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "controlplane/core/executor.h"
#include "controlplane/core/fleet_metrics.h"
#include "controlplane/core/node_client.h"
#include "controlplane/core/node_view.h"
#include "controlplane/core/session_store.h"
#include "controlplane/core/settings.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// Carries out what was committed: tells agents to start and stop, and records what they answer. An
// order that doesn't get through is left to heartbeats and the reconciler. Thread-safe.
class SessionDriver {
 public:
  using StartCallback = std::function<void(absl::StatusOr<TransitionResult>)>;
  using StopCallback = std::function<void(absl::Status)>;

  struct Deps {
    SessionStore* store = nullptr;
    NodeClient* client = nullptr;
    Executor* executor = nullptr;  // For what follows an answer: it blocks for the database.
    WatchHub* hub = nullptr;
    FleetMetrics* metrics = nullptr;
    NodeView* view = nullptr;  // Told which nodes fail.
    // Room may have come, or a session waits for a node. Doesn't block.
    std::function<void()> wake_reconciler = [] {};
    // A start found no image on its node. Doesn't block.
    std::function<void(const SessionId&, int64_t generation)> image_missing = [](const SessionId&,
                                                                                 int64_t) {};
  };

  SessionDriver(const Deps& deps, const Settings& settings) : deps_(deps), settings_(settings) {}

  // Doesn't block. `callback` runs once, on the executor: with the session after the answer was
  // recorded, or an error when there was none (then it is STARTING until somebody hears more).
  void Start(const RunOrder& run, StartCallback callback);

  // Doesn't block. `callback`: OK once absence is confirmed and recorded.
  void Stop(const StopOrder& stop, StopCallback callback);

  // Records transitions and carries out the stops that they order. Blocks for the database.
  absl::StatusOr<std::vector<TransitionResult>> Apply(
      const std::vector<SessionTransition>& transitions);

 private:
  void Judge(const NodeId& node, const absl::StatusOr<SessionStatus>& answer);
  absl::StatusOr<TransitionResult> Record(const RunOrder& run,
                                          const absl::StatusOr<SessionStatus>& answer);

  const Deps deps_;
  const Settings settings_;
};

}  // namespace paddock
