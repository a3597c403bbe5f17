#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "controlplane/core/environment_patch.h"
#include "controlplane/core/environment_store.h"
#include "controlplane/core/image_work.h"
#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// What every front end does with environments. Thread-safe; calls block for the database. Beside
// the errors listed, those of store_types.h; unknown, malformed and other tenants' ids are
// NOT_FOUND, all three alike.
class EnvironmentOperations {
 public:
  using Watcher = std::function<void(absl::StatusOr<Environment>)>;

  // The arguments must outlive this and every subscription.
  EnvironmentOperations(EnvironmentStore* store, WatchHub* hub, Clock* clock, ImageWork* images)
      : store_(store), hub_(hub), clock_(clock), images_(images) {}

  // Stores what `patch` makes of the defaults, and starts to build its image.
  //   INVALID_ARGUMENT  with every violation.
  //   ALREADY_EXISTS    the tenant has one of that name, archived ones included; or the request id
  //                     was used with another body.
  absl::StatusOr<Environment> Create(const Tenant& tenant, const EnvironmentPatch& patch,
                                     const Idempotency& idempotency);

  absl::StatusOr<Environment> Get(const Tenant& tenant, const EnvironmentId& id);

  // Newest first. INVALID_ARGUMENT for a page size out of range or a garbled token.
  absl::StatusOr<Page<Environment>> List(const Tenant& tenant, const PageRequest& page,
                                         Archived archived);

  // Applies `patch` under the environment's lock; other packages start the image anew. A patch that
  // changes nothing leaves revision and updated_at alone.
  //   INVALID_ARGUMENT     the patch or its result breaks rules.
  //   FAILED_PRECONDITION  it is archived.
  //   ALREADY_EXISTS       the new name is taken.
  absl::StatusOr<Environment> Update(const Tenant& tenant, const EnvironmentId& id,
                                     const EnvironmentPatch& patch);

  // No new sessions afterwards. Again: the same answer as the first time.
  absl::StatusOr<Environment> Archive(const Tenant& tenant, const EnvironmentId& id);

  // FAILED_PRECONDITION, with their number and the first few ids, while sessions reference it.
  absl::Status Delete(const Tenant& tenant, const EnvironmentId& id);

  // Starts the image anew: after a failure it is tried again, and layers that are there are used
  // again, unless with kRefresh. An environment without packages is left as it is.
  //   FAILED_PRECONDITION  it is archived.
  enum class Versions { kKeep, kRefresh };
  absl::StatusOr<Environment> Rebuild(const Tenant& tenant, const EnvironmentId& id,
                                      Versions unpinned);

  // As SessionOperations::Watch: the state now (unless `after_revision` has it), then every later
  // one or one that supersedes it; an error is the last call (NOT_FOUND once deleted).
  //   OUT_OF_RANGE  `after_revision` can't be continued from.
  absl::StatusOr<std::unique_ptr<Subscription>> Watch(const Tenant& tenant, const EnvironmentId& id,
                                                      int64_t after_revision, Watcher watcher);

 private:
  absl::StatusOr<Environment> Mutate(const Tenant& tenant, const EnvironmentId& id,
                                     const Mutation<Environment>& mutation);

  EnvironmentStore* const store_;
  WatchHub* const hub_;
  Clock* const clock_;
  ImageWork* const images_;
};

}  // namespace paddock
