#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "common/clock.h"
#include "controlplane/core/agent_operations.h"
#include "controlplane/core/api_key_operations.h"
#include "controlplane/core/environment_feed.h"
#include "controlplane/core/environment_operations.h"
#include "controlplane/core/executor.h"
#include "controlplane/core/node_client.h"
#include "controlplane/core/nodes.h"
#include "controlplane/core/sessions.h"
#include "controlplane/core/settings.h"
#include "controlplane/core/stores.h"
#include "controlplane/core/watch_hub.h"
#include "prometheus/registry.h"

namespace paddock {

// Everything that one replica does, wired up: for main and for tests. Thread-safe.
//
// End it in this order: no more calls from front ends; subscriptions gone; the node client quiet;
// the executor empty and joined; then this.
class ControlPlane {
 public:
  struct Deps {
    Stores stores;
    NodeClient* client = nullptr;
    Executor* executor = nullptr;  // At least two threads; it blocks for the database.
    Timers* timers = nullptr;
    Clock* clock = Clock::Real();
    prometheus::Registry* registry = nullptr;
    // In use and waiting, for metrics; may be null.
    std::function<std::pair<int, int>()> database_connections;
    // See Reconciler::Deps; may be null.
    std::function<absl::StatusOr<std::string>()> node_listing;
  };

  // `deps` must outlive this. Settings must be valid.
  ControlPlane(const Deps& deps, const Settings& settings);
  ~ControlPlane();

  // Reconciles, and makes images, from now on.
  void Start();
  // Ends both and hands on the reconciler's lease; the rest goes on serving.
  void StopReconciling();

  EnvironmentOperations* environments();
  EnvironmentFeeds* environment_feeds();
  AgentOperations* agents();
  ApiKeyOperations* api_keys();
  SessionOperations* sessions();
  NodeOperations* nodes();
  NodeRegistry* node_registry();
  WatchHub* watch_hub();

  // One pass of the reconciler, where Start wasn't called.
  absl::Status ReconcileOnce();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace paddock
