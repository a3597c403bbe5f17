#include "controlplane/core/agent_operations.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "controlplane/core/agent_rules.h"
#include "controlplane/core/page_budget.h"
#include "controlplane/core/text_rules.h"
#include "controlplane/core/violations.h"

namespace paddock {
namespace {

absl::Status CheckId(const AgentId& id) {
  if (IsWellFormedId(kAgentPrefix, id.value())) return absl::OkStatus();
  return errors::AgentNotFound(id.value());
}

absl::Status CheckVersion(int64_t version) {
  if (version >= 0) return absl::OkStatus();
  return errors::InvalidField("version", "must be 0 (the newest) or a version's number");
}

absl::Status CheckIdempotency(const Idempotency& idempotency) {
  Violations violations;
  CheckRequestId(idempotency.request_id, &violations);
  return violations.ToStatus();
}

std::string TenantScope(absl::string_view list, const Tenant& tenant) {
  return absl::StrCat(list, "/", tenant.organization, "/", tenant.workspace);
}

size_t SizeOf(const Agent& agent) { return ApproximateSize(agent); }

}  // namespace

absl::StatusOr<Agent> AgentOperations::Create(const Tenant& tenant, const AgentPatch& patch,
                                              const Idempotency& idempotency) {
  PADDOCK_RETURN_IF_ERROR(CheckIdempotency(idempotency));
  PADDOCK_ASSIGN_OR_RETURN(Agent agent, NewAgent(patch));
  agent.created_at = clock_->Now();
  agent.updated_at = agent.created_at;
  agent.id = AgentId(NewId(kAgentPrefix, agent.created_at));
  agent.tenant = tenant;
  agent.version = 1;
  return store_->Create(agent, idempotency);
}

absl::StatusOr<Agent> AgentOperations::Get(const Tenant& tenant, const AgentId& id,
                                           int64_t version) {
  PADDOCK_RETURN_IF_ERROR(CheckVersion(version));
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  return store_->Get(tenant, id, version);
}

absl::StatusOr<Page<Agent>> AgentOperations::List(const Tenant& tenant, const PageRequest& page,
                                                  const AgentFilter& filter) {
  std::string scope = absl::StrCat(TenantScope("agents", tenant), "/",
                                   filter.archived == Archived::kInclude ? "all" : "active");
  if (filter.created_from) absl::StrAppend(&scope, ">", absl::ToUnixMicros(*filter.created_from));
  if (filter.created_until) absl::StrAppend(&scope, "<", absl::ToUnixMicros(*filter.created_until));
  PADDOCK_ASSIGN_OR_RETURN(const PageQuery query, ParsePageRequest(scope, page));
  PADDOCK_ASSIGN_OR_RETURN(StorePage<Agent> found, store_->List(tenant, query, filter));
  CutToBudget(&found, &SizeOf);
  return MakePage(scope, std::move(found), [](const Agent& agent) { return agent.id.value(); });
}

absl::StatusOr<Page<Agent>> AgentOperations::ListVersions(const Tenant& tenant, const AgentId& id,
                                                          const PageRequest& page) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  const std::string scope = absl::StrCat(TenantScope("agent_versions", tenant), "/", id.value());
  PADDOCK_ASSIGN_OR_RETURN(const PageQuery query, ParsePageRequest(scope, page));
  PADDOCK_ASSIGN_OR_RETURN(StorePage<Agent> found, store_->ListVersions(tenant, id, query));
  CutToBudget(&found, &SizeOf);
  return MakePage(scope, std::move(found),
                  [](const Agent& agent) { return absl::StrCat(agent.version); });
}

absl::StatusOr<Agent> AgentOperations::Update(const Tenant& tenant, const AgentId& id,
                                              int64_t version, const AgentPatch& patch) {
  PADDOCK_RETURN_IF_ERROR(CheckVersion(version));
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  return store_->Mutate(
      tenant, id, [&patch, version](const Agent& stored, bool* changed) -> absl::StatusOr<Agent> {
        if (stored.archived_at.has_value()) return errors::AgentArchived(stored.id.value());
        if (version != 0 && version != stored.version) {
          return errors::AgentVersionStale(stored.id.value(), version, stored.version);
        }
        PADDOCK_ASSIGN_OR_RETURN(Agent updated, ApplyAgentPatch(patch, stored));
        *changed = !SameContent(updated, stored);
        return updated;
      });
}

absl::StatusOr<Agent> AgentOperations::Archive(const Tenant& tenant, const AgentId& id) {
  PADDOCK_RETURN_IF_ERROR(CheckId(id));
  return store_->Archive(tenant, id, clock_->Now());
}

absl::StatusOr<AgentSnapshot> AgentOperations::Snapshot(const Tenant& tenant, const AgentId& id,
                                                        int64_t version,
                                                        const AgentOverrides& overrides) {
  PADDOCK_ASSIGN_OR_RETURN(const Agent agent, Get(tenant, id, version));
  if (agent.archived_at.has_value()) return errors::AgentArchived(id.value());
  return ApplyOverrides(agent, overrides);
}

}  // namespace paddock
