#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/clock.h"
#include "controlplane/core/agent_operations.h"
#include "controlplane/core/environment_store.h"
#include "controlplane/core/fleet_metrics.h"
#include "controlplane/core/node_view.h"
#include "controlplane/core/phase_waiter.h"
#include "controlplane/core/remembered_environments.h"
#include "controlplane/core/scheduler.h"
#include "controlplane/core/session_driver.h"
#include "controlplane/core/sessions.h"
#include "controlplane/core/settings.h"

namespace paddock {

// SessionOperations over the stores. Thread-safe.
class SessionService : public SessionOperations {
 public:
  struct Deps {
    SessionStore* sessions = nullptr;
    EnvironmentStore* environments = nullptr;
    AgentOperations* agents = nullptr;
    NodeView* view = nullptr;
    SessionDriver* driver = nullptr;
    WatchHub* hub = nullptr;
    Executor* executor = nullptr;
    Timers* timers = nullptr;
    Clock* clock = nullptr;
    FleetMetrics* metrics = nullptr;
    // No node has the environment's image any more: it is to be made again. Blocks for the
    // database.
    std::function<absl::Status(const Environment&)> remake_image;
  };

  // What `deps` points to must outlive this and every call under way.
  SessionService(const Deps& deps, const Settings& settings);

  void Create(const Tenant& tenant, CreateSessionRequest request, CreateCallback callback) override;
  absl::StatusOr<Session> Get(const Tenant& tenant, const SessionId& id) override;
  absl::StatusOr<Page<Session>> List(const Tenant& tenant,
                                     const ListSessionsRequest& request) override;
  absl::StatusOr<std::vector<SessionEvent>> Events(const Tenant& tenant, const SessionId& id,
                                                   int64_t after) override;
  absl::StatusOr<Session> Update(const Tenant& tenant, const SessionId& id,
                                 const SessionPatch& patch) override;
  void Archive(const Tenant& tenant, const SessionId& id, CreateCallback callback) override;
  absl::Status Delete(const Tenant& tenant, const SessionId& id) override;
  absl::StatusOr<SessionLocation> Locate(const Tenant& tenant, const SessionId& id) override;
  absl::StatusOr<SessionLocation> LocateLast(const Tenant& tenant, const SessionId& id) override;
  absl::StatusOr<std::unique_ptr<Subscription>> Watch(
      const Tenant& tenant, const SessionId& id, int64_t after_revision,
      std::function<void(absl::StatusOr<Session>)> watcher) override;

 private:
  // Why no session can be had of the environment of this one, which ended with its image.
  absl::Status ImageFailureOf(const Session& session);
  // Reads environment and agent and stores the session; again when the environment changes in
  // between.
  absl::StatusOr<CreatedSession> Store(const Tenant& tenant, const CreateSessionRequest& request);
  // The same with an environment as it was read. ABORTED when it has changed since.
  absl::StatusOr<CreatedSession> StoreIn(const Environment& environment, const Tenant& tenant,
                                         const CreateSessionRequest& request);
  absl::StatusOr<NewSession> Build(const Tenant& tenant, const CreateSessionRequest& request,
                                   const Environment& environment);
  absl::StatusOr<bool> LostImage(const Environment& environment);
  // Charges the first of the candidates for the time being; the charges that hold it, or null.
  std::shared_ptr<RecentCharges> ChooseNodes(NewSession* session);
  std::shared_ptr<PhaseWaiter> MakeWaiter(Session session, PhaseWaiter::Predicate reached,
                                          CreateCallback callback);

  const Deps deps_;
  const Settings settings_;
  std::atomic<uint64_t> seed_;
  RememberedEnvironments remembered_;
};

}  // namespace paddock
