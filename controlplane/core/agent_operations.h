#pragma once

#include "absl/status/statusor.h"
#include "common/clock.h"
#include "controlplane/core/agent_patch.h"
#include "controlplane/core/agent_store.h"
#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// What every front end does with agents. Thread-safe; calls block for the database. Beside the
// errors listed, those of store_types.h; unknown, malformed and other tenants' ids are NOT_FOUND,
// all three alike.
class AgentOperations {
 public:
  // The arguments must outlive this.
  AgentOperations(AgentStore* store, Clock* clock) : store_(store), clock_(clock) {}

  // Stores version 1 of what `patch` makes of an empty agent. INVALID_ARGUMENT with every
  // violation; ALREADY_EXISTS when the request id was used with another body.
  absl::StatusOr<Agent> Create(const Tenant& tenant, const AgentPatch& patch,
                               const Idempotency& idempotency);

  // `version` 0: the newest. NOT_FOUND for a version that isn't there, INVALID_ARGUMENT below 0.
  absl::StatusOr<Agent> Get(const Tenant& tenant, const AgentId& id, int64_t version);

  // The newest version of each, newest agent first.
  absl::StatusOr<Page<Agent>> List(const Tenant& tenant, const PageRequest& page,
                                   const AgentFilter& filter);

  // Every version of one agent, newest first.
  absl::StatusOr<Page<Agent>> ListVersions(const Tenant& tenant, const AgentId& id,
                                           const PageRequest& page);

  // Makes a new version; an update that changes nothing makes none. `version`: the one that the
  // change is meant for, 0 for whichever is newest.
  //   INVALID_ARGUMENT     the patch or its result breaks rules.
  //   FAILED_PRECONDITION  it is archived.
  //   ABORTED              `version` isn't the newest.
  absl::StatusOr<Agent> Update(const Tenant& tenant, const AgentId& id, int64_t version,
                               const AgentPatch& patch);

  // No new sessions afterwards. Again: the same answer as the first time.
  absl::StatusOr<Agent> Archive(const Tenant& tenant, const AgentId& id);

  // The agent as a new session takes it. FAILED_PRECONDITION when it is archived; INVALID_ARGUMENT
  // when it breaks rules with `overrides`.
  absl::StatusOr<AgentSnapshot> Snapshot(const Tenant& tenant, const AgentId& id, int64_t version,
                                         const AgentOverrides& overrides);

 private:
  AgentStore* const store_;
  Clock* const clock_;
};

}  // namespace paddock
