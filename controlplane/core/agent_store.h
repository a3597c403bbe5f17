#pragma once

#include <optional>

#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// Which agents a list holds.
struct AgentFilter {
  Archived archived = Archived::kExclude;
  std::optional<absl::Time> created_from;   // Inclusive.
  std::optional<absl::Time> created_until;  // Inclusive.
};

// Agents with all of their versions, durable. See store_types.h for what holds for every method.
class AgentStore {
 public:
  virtual ~AgentStore() = default;

  // Stores version 1. ALREADY_EXISTS for `idempotency` only: names need not be unique.
  virtual absl::StatusOr<Agent> Create(const Agent& agent, const Idempotency& idempotency) = 0;

  // `version` 0: the newest. A version that isn't there is NOT_FOUND. archived_at is the agent's,
  // whichever the version.
  virtual absl::StatusOr<Agent> Get(const Tenant& tenant, const AgentId& id, int64_t version) = 0;

  // The newest version of each, newest agent first.
  virtual absl::StatusOr<StorePage<Agent>> List(const Tenant& tenant, const PageQuery& page,
                                                const AgentFilter& filter) = 0;

  // Newest version first. `page.after` is a version in decimal.
  virtual absl::StatusOr<StorePage<Agent>> ListVersions(const Tenant& tenant, const AgentId& id,
                                                        const PageQuery& page) = 0;

  // Under the agent's lock: a changed value becomes a new version (its number and updated_at set
  // by the store). With `changed` set to false nothing is written.
  virtual absl::StatusOr<Agent> Mutate(const Tenant& tenant, const AgentId& id,
                                       const Mutation<Agent>& mutation) = 0;

  // Sets archived_at once, makes no version. Again: the same answer as the first time.
  virtual absl::StatusOr<Agent> Archive(const Tenant& tenant, const AgentId& id,
                                        absl::Time now) = 0;
};

}  // namespace paddock
