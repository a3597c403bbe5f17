#pragma once

#include "controlplane/core/agent_store.h"
#include "controlplane/store/sql.h"

namespace paddock {

// AgentStore on PostgreSQL. Thread-safe.
class PgAgentStore : public AgentStore {
 public:
  explicit PgAgentStore(const Sql* sql) : sql_(sql) {}

  absl::StatusOr<Agent> Create(const Agent& agent, const Idempotency& idempotency) override;
  absl::StatusOr<Agent> Get(const Tenant& tenant, const AgentId& id, int64_t version) override;
  absl::StatusOr<StorePage<Agent>> List(const Tenant& tenant, const PageQuery& page,
                                        const AgentFilter& filter) override;
  absl::StatusOr<StorePage<Agent>> ListVersions(const Tenant& tenant, const AgentId& id,
                                                const PageQuery& page) override;
  absl::StatusOr<Agent> Mutate(const Tenant& tenant, const AgentId& id,
                               const Mutation<Agent>& mutation) override;
  absl::StatusOr<Agent> Archive(const Tenant& tenant, const AgentId& id, absl::Time now) override;

 private:
  const Sql* const sql_;
};

}  // namespace paddock
