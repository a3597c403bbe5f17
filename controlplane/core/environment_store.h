#pragma once

#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// Environments, durable. See store_types.h for what holds for every method.
class EnvironmentStore {
 public:
  virtual ~EnvironmentStore() = default;

  // Stores `environment` with revision 1. ALREADY_EXISTS when the tenant has one of that name,
  // archived ones included (of two at once one wins), or for `idempotency`.
  virtual absl::StatusOr<Environment> Create(const Environment& environment,
                                             const Idempotency& idempotency) = 0;

  virtual absl::StatusOr<Environment> Get(const Tenant& tenant, const EnvironmentId& id) = 0;

  // Newest first.
  virtual absl::StatusOr<StorePage<Environment>> List(const Tenant& tenant, const PageQuery& page,
                                                      Archived archived) = 0;

  // Changes name, description, metadata, config, image and archived_at; a changed environment gets
  // a higher revision and a new updated_at. ALREADY_EXISTS when the new name is taken. Serialized
  // with the creation of sessions from it: those that commit later see the new value.
  virtual absl::StatusOr<Environment> Mutate(const Tenant& tenant, const EnvironmentId& id,
                                             const Mutation<Environment>& mutation) = 0;

  // FAILED_PRECONDITION, with their number and the first few ids, while sessions reference it.
  virtual absl::Status Delete(const Tenant& tenant, const EnvironmentId& id) = 0;
};

}  // namespace paddock
