#pragma once

#include "controlplane/core/environment_store.h"
#include "controlplane/store/sql.h"

namespace paddock {

// EnvironmentStore on PostgreSQL. Thread-safe.
class PgEnvironmentStore : public EnvironmentStore {
 public:
  explicit PgEnvironmentStore(const Sql* sql) : sql_(sql) {}

  absl::StatusOr<Environment> Create(const Environment& environment,
                                     const Idempotency& idempotency) override;
  absl::StatusOr<Environment> Get(const Tenant& tenant, const EnvironmentId& id) override;
  absl::StatusOr<StorePage<Environment>> List(const Tenant& tenant, const PageQuery& page,
                                              Archived archived) override;
  absl::StatusOr<Environment> Mutate(const Tenant& tenant, const EnvironmentId& id,
                                     const Mutation<Environment>& mutation) override;
  absl::Status Delete(const Tenant& tenant, const EnvironmentId& id) override;

 private:
  const Sql* const sql_;
};

}  // namespace paddock
