#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/core/metadata_patch.h"
#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_store.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

struct AgentReference {
  AgentId id;
  int64_t version = 0;  // 0: the newest.
  AgentOverrides overrides;
};

struct CreateSessionRequest {
  std::optional<AgentReference> agent;
  EnvironmentId environment_id;
  std::optional<std::string> title;
  Metadata metadata;
  Compute compute;  // Zeros: the defaults.
  OnNodeLoss on_node_loss = OnNodeLoss::kKeep;
  // A session that the failed build of its image ends during `wait` is answered as the next create
  // is: with that error.
  bool failed_image_is_error = false;
  std::optional<absl::Duration> wait;  // For RUNNING; nullopt: the setting.
  Idempotency idempotency;
};

struct SessionPatch {
  std::optional<std::optional<std::string>> title;  // Inner null clears.
  MetadataPatch metadata;
  // Of the session's own copy of its agent: each replaces as a whole.
  std::optional<std::vector<nlohmann::json>> tools;
  std::optional<std::vector<McpServer>> mcp_servers;
};

struct ListSessionsRequest {
  PageRequest page;
  SessionFilter filter;
};

// What the public API does with sessions. Thread-safe. Calls block for the database unless they say
// otherwise; all scoped by tenant.
class SessionOperations {
 public:
  using CreateCallback = std::function<void(absl::StatusOr<Session>)>;

  virtual ~SessionOperations() = default;

  // Blocks for the first transaction only; holds no thread while the session starts. `callback`
  // runs once, on any thread, maybe before the call returns: with the session RUNNING, TERMINATED,
  // or as it is when `wait` is over.
  virtual void Create(const Tenant& tenant, CreateSessionRequest request,
                      CreateCallback callback) = 0;
  virtual absl::StatusOr<Session> Get(const Tenant& tenant, const SessionId& id) = 0;
  virtual absl::StatusOr<Page<Session>> List(const Tenant& tenant,
                                             const ListSessionsRequest& request) = 0;
  // As SessionStore::Events.
  virtual absl::StatusOr<std::vector<SessionEvent>> Events(const Tenant& tenant,
                                                           const SessionId& id, int64_t after) = 0;
  virtual absl::StatusOr<Session> Update(const Tenant& tenant, const SessionId& id,
                                         const SessionPatch& patch) = 0;
  // `callback` as in Create: with the session TERMINATED, or STOPPING when its node doesn't answer
  // in time; then it ends later.
  virtual void Archive(const Tenant& tenant, const SessionId& id, CreateCallback callback) = 0;
  virtual absl::Status Delete(const Tenant& tenant, const SessionId& id) = 0;

  // Where to send commands and file operations. FAILED_PRECONDITION when it isn't RUNNING;
  // UNAVAILABLE with the reason when its node is silent.
  virtual absl::StatusOr<SessionLocation> Locate(const Tenant& tenant, const SessionId& id) = 0;

  // Where it runs, or ran last. FAILED_PRECONDITION when it was never placed; UNAVAILABLE with the
  // reason when its node is silent.
  virtual absl::StatusOr<SessionLocation> LocateLast(const Tenant& tenant, const SessionId& id) = 0;

  // The state now (with after_revision 0, or when it is newer than that), then every later one or
  // one that supersedes it. `watcher` is called one call at a time, with revisions that rise, or
  // stay while node_reachable turns; an error is the last call (NOT_FOUND once deleted). The first
  // read blocks; its error is returned. OUT_OF_RANGE for an after_revision that the session hasn't
  // reached, INVALID_ARGUMENT for a negative one.
  virtual absl::StatusOr<std::unique_ptr<Subscription>> Watch(
      const Tenant& tenant, const SessionId& id, int64_t after_revision,
      std::function<void(absl::StatusOr<Session>)> watcher) = 0;
};

}  // namespace paddock
