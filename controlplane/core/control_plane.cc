#include "controlplane/core/control_plane.h"

#include <utility>

#include "controlplane/core/batching_node_registry.h"
#include "controlplane/core/fleet_metrics.h"
#include "controlplane/core/image_builder.h"
#include "controlplane/core/node_service.h"
#include "controlplane/core/node_view.h"
#include "controlplane/core/polling_watch_hub.h"
#include "controlplane/core/reconciler.h"
#include "controlplane/core/session_driver.h"
#include "controlplane/core/session_service.h"

namespace paddock {

// In the order in which they depend on each other.
struct ControlPlane::Parts {
  Parts(const Deps& deps, const Settings& settings);

  void Wake() {
    absl::MutexLock lock(&mutex);
    if (reconciler != nullptr) reconciler->Wake();
  }
  void Observe() {
    metrics.SetWatchers(hub.watchers());
    if (!connections) return;
    const auto [in_use, waiting] = connections();
    metrics.SetConnections(in_use, waiting);
  }

  const std::function<std::pair<int, int>()> connections;
  FleetMetrics metrics;
  PollingWatchHub hub;
  NodeView view;
  SessionDriver driver;
  ImageBuilder images;
  EnvironmentOperations environments;
  EnvironmentFeeds feeds;
  AgentOperations agents;
  ApiKeyOperations api_keys;
  SessionService sessions;
  NodeService nodes;
  absl::Mutex mutex;
  std::unique_ptr<Reconciler> reconciler ABSL_GUARDED_BY(mutex);
  BatchingNodeRegistry registry;
};

ControlPlane::Parts::Parts(const Deps& deps, const Settings& settings)
    : connections(deps.database_connections),
      metrics(deps.registry),
      hub(deps.stores.changes, PollingWatchHub::Options()),
      view(deps.stores.nodes, deps.clock),
      driver({deps.stores.sessions, deps.client, deps.executor, &hub, &metrics, &view,
              [this] { Wake(); },
              [this](const SessionId& id, int64_t generation) { images.Missing(id, generation); }},
             settings),
      images({deps.stores.images, &view, deps.client, deps.executor, deps.timers, &hub, deps.clock,
              &metrics, [this] { Wake(); }},
             settings),
      environments(deps.stores.environments, &hub, deps.clock, &images),
      feeds(deps.stores.environments, deps.stores.images, &hub),
      agents(deps.stores.agents, deps.clock),
      api_keys(deps.stores.api_keys, deps.clock),
      sessions({deps.stores.sessions, deps.stores.environments, &agents, &view, &driver, &hub,
                deps.executor, deps.timers, deps.clock, &metrics,
                [this](const Environment& environment) {
                  return environments
                      .Rebuild(environment.tenant, environment.id,
                               EnvironmentOperations::Versions::kKeep)
                      .status();
                }},
               settings),
      nodes(deps.stores.nodes, [this] { Wake(); }),
      reconciler(std::make_unique<Reconciler>(
          Reconciler::Deps{deps.stores.fleet, deps.stores.sessions, deps.stores.nodes, &view,
                           &driver, &hub, deps.clock, &metrics, [this] { Observe(); },
                           deps.node_listing},
          settings)),
      registry({deps.stores.nodes, &driver, &hub, &metrics, [this] { Wake(); }, deps.clock},
               settings, BatchingNodeRegistry::Options()) {}

ControlPlane::ControlPlane(const Deps& deps, const Settings& settings)
    : parts_(std::make_unique<Parts>(deps, settings)) {}

ControlPlane::~ControlPlane() { StopReconciling(); }

void ControlPlane::Start() {
  absl::MutexLock lock(&parts_->mutex);
  parts_->reconciler->Start();
  parts_->images.Start();
}

void ControlPlane::StopReconciling() {
  std::unique_ptr<Reconciler> reconciler;
  {
    absl::MutexLock lock(&parts_->mutex);
    reconciler = std::move(parts_->reconciler);
  }
  parts_->images.StopPasses();
  // Joined here, where its last pass may still wake itself.
}

EnvironmentOperations* ControlPlane::environments() { return &parts_->environments; }
EnvironmentFeeds* ControlPlane::environment_feeds() { return &parts_->feeds; }
AgentOperations* ControlPlane::agents() { return &parts_->agents; }
ApiKeyOperations* ControlPlane::api_keys() { return &parts_->api_keys; }
SessionOperations* ControlPlane::sessions() { return &parts_->sessions; }
NodeOperations* ControlPlane::nodes() { return &parts_->nodes; }
NodeRegistry* ControlPlane::node_registry() { return &parts_->registry; }
WatchHub* ControlPlane::watch_hub() { return &parts_->hub; }

absl::Status ControlPlane::ReconcileOnce() {
  Reconciler* reconciler = nullptr;
  {
    absl::MutexLock lock(&parts_->mutex);
    reconciler = parts_->reconciler.get();
  }
  return reconciler->Pass();
}

}  // namespace paddock
