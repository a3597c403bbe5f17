#include "controlplane/core/environment_operations.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "controlplane/core/environment_rules.h"
#include "controlplane/core/package_rules.h"
#include "controlplane/core/page_budget.h"
#include "controlplane/core/resource_watch.h"
#include "controlplane/core/text_rules.h"

namespace paddock {
namespace {

absl::Status CheckId(const EnvironmentId& id) {
  if (IsWellFormedId(kEnvironmentPrefix, id.value())) return absl::OkStatus();
  return errors::EnvironmentNotFound(id.value());
}

size_t SizeOfConfig(const EnvironmentConfig& config) {
  size_t size = 0;
  const auto* cloud = std::get_if<CloudConfig>(&config);
  if (cloud == nullptr) return size;
  constexpr size_t kPerString = 4;
  for (const ManagerSpecs& entry : SpecsByManager(cloud->packages)) {
    for (const std::string& spec : *entry.specs) size += spec.size() + kPerString;
  }
  if (const auto* limited = std::get_if<LimitedNetwork>(&cloud->networking)) {
    for (const std::string& host : limited->allowed_hosts) size += host.size() + kPerString;
  }
  return size;
}

size_t ApproximateSize(const Environment& environment) {
  constexpr size_t kFixed = 300;
  constexpr size_t kPerLayer = 120;
  size_t size = kFixed + environment.name.size() + environment.description.value_or("").size() +
                SizeOfConfig(environment.config) + kPerLayer * environment.image.layers.size();
  for (const auto& [key, value] : environment.metadata) size += key.size() + value.size();
  if (environment.image.failure.has_value()) size += environment.image.failure->log_tail.size();
  return size;
}

std::string PageScope(const Tenant& tenant, Archived archived) {
  return absl::StrCat("environments/", tenant.organization, "/", tenant.workspace, "/",
                      archived == Archived::kInclude ? "all" : "active");
}

absl::Status CheckIdempotency(const Idempotency& idempotency) {
  Violations violations;
  CheckRequestId(idempotency.request_id, &violations);
  return violations.ToStatus();
}

}  // namespace

absl::StatusOr<Environment> EnvironmentOperations::Create(const Tenant& tenant,
                                                          const EnvironmentPatch& patch,
                                                          const Idempotency& idempotency) {
  PADDOCK_RETURN_IF_ERROR(CheckIdempotency(idempotency));
  PADDOCK_ASSIGN_OR_RETURN(Environment environment, NewEnvironment(patch));
  environment.created_at = clock_->Now();
  environment.updated_at = environment.created_at;
  environment.id = EnvironmentId(NewId(kEnvironmentPrefix, environment.created_at));
  environment.tenant = tenant;
  PADDOCK_ASSIGN_OR_RETURN(Environment created, store_->Create(environment, idempotency));
  if (IsUnsettled(created.image)) images_->Kick(created.id);
  return created;
}

absl::StatusOr<Environment> EnvironmentOperations::Get(const Tenant& tenant,
                                                       const EnvironmentId& id) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  return store_->Get(tenant, id);
}

absl::StatusOr<Page<Environment>> EnvironmentOperations::List(const Tenant& tenant,
                                                              const PageRequest& page,
                                                              Archived archived) {
  const std::string scope = PageScope(tenant, archived);
  PADDOCK_ASSIGN_OR_RETURN(const PageQuery query, ParsePageRequest(scope, page));
  PADDOCK_ASSIGN_OR_RETURN(StorePage<Environment> found, store_->List(tenant, query, archived));
  CutToBudget(&found, &ApproximateSize);
  return MakePage(scope, std::move(found), [](const Environment& e) { return e.id.value(); });
}

absl::StatusOr<Environment> EnvironmentOperations::Update(const Tenant& tenant,
                                                          const EnvironmentId& id,
                                                          const EnvironmentPatch& patch) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  PADDOCK_RETURN_IF_ERROR(CheckEnvironmentPatch(patch));
  return Mutate(tenant, id,
                [&patch](const Environment& stored, bool* changed) -> absl::StatusOr<Environment> {
                  if (stored.archived_at.has_value()) {
                    return errors::EnvironmentArchived(stored.id.value());
                  }
                  PADDOCK_ASSIGN_OR_RETURN(Environment updated,
                                           ApplyEnvironmentPatch(patch, stored));
                  *changed = !SameContent(updated, stored);
                  return updated;
                });
}

absl::StatusOr<Environment> EnvironmentOperations::Archive(const Tenant& tenant,
                                                           const EnvironmentId& id) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  const absl::Time now = clock_->Now();
  return Mutate(tenant, id,
                [now](const Environment& stored, bool* changed) -> absl::StatusOr<Environment> {
                  *changed = !stored.archived_at.has_value();
                  Environment archived = stored;
                  if (*changed) archived.archived_at = now;
                  return archived;
                });
}

absl::Status EnvironmentOperations::Delete(const Tenant& tenant, const EnvironmentId& id) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  PADDOCK_RETURN_IF_ERROR(store_->Delete(tenant, id));
  hub_->Notify(WatchKind::kEnvironment, id.value());
  images_->Recheck();
  return absl::OkStatus();
}

absl::StatusOr<Environment> EnvironmentOperations::Rebuild(const Tenant& tenant,
                                                           const EnvironmentId& id,
                                                           Versions unpinned) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  const int64_t epoch = absl::ToUnixMicros(clock_->Now());
  return Mutate(tenant, id,
                [=](const Environment& stored, bool* changed) -> absl::StatusOr<Environment> {
                  if (stored.archived_at.has_value()) {
                    return errors::EnvironmentArchived(stored.id.value());
                  }
                  Environment anew = stored;
                  const auto* cloud = std::get_if<CloudConfig>(&stored.config);
                  *changed = cloud != nullptr && !cloud->packages.empty();
                  if (!*changed) return anew;
                  anew.image = NextImage(cloud->packages, stored.image);
                  if (unpinned == Versions::kRefresh) anew.image.refresh_epoch = epoch;
                  return anew;
                });
}

absl::StatusOr<std::unique_ptr<Subscription>> EnvironmentOperations::Watch(const Tenant& tenant,
                                                                           const EnvironmentId& id,
                                                                           int64_t after_revision,
                                                                           Watcher watcher) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  return WatchResource<Environment>(
      hub_, WatchKind::kEnvironment, id.value(), after_revision,
      [store = store_, tenant, id] { return store->Get(tenant, id); }, std::move(watcher));
}

absl::StatusOr<Environment> EnvironmentOperations::Mutate(const Tenant& tenant,
                                                          const EnvironmentId& id,
                                                          const Mutation<Environment>& mutation) {
  PADDOCK_ASSIGN_OR_RETURN(Environment result, store_->Mutate(tenant, id, mutation));
  // Also when nothing changed: a wake too many costs one read, one too few a stale watcher.
  hub_->Notify(WatchKind::kEnvironment, id.value());
  if (IsUnsettled(result.image)) {
    images_->Kick(id);
    // A build for the packages that it had before may have become useless.
    images_->Recheck();
  }
  return result;
}

}  // namespace paddock
