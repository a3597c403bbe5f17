#include "tests/fakes/controlplane/fake_agent_store.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock {

absl::StatusOr<Agent> FakeAgentStore::Create(const Agent& agent, const Idempotency& idempotency) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(auto first, results_.Find(agent.tenant, idempotency));
  if (first.has_value()) return *std::move(first);
  Agent stored = agent;
  stored.version = 1;
  agents_[stored.id.value()] = {stored};
  results_.Remember(stored.tenant, idempotency, stored);
  return stored;
}

absl::StatusOr<Agent> FakeAgentStore::Get(const Tenant& tenant, const AgentId& id,
                                          int64_t version) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(const Versions* versions, Find(tenant, id));
  if (version == 0) return versions->back();
  for (const Agent& agent : *versions) {
    if (agent.version == version) return agent;
  }
  return errors::AgentVersionNotFound(id.value(), version);
}

absl::StatusOr<StorePage<Agent>> FakeAgentStore::List(const Tenant& tenant, const PageQuery& page,
                                                      const AgentFilter& filter) {
  absl::MutexLock lock(&mutex_);
  StorePage<Agent> result;
  for (const auto& [id, versions] : agents_) {
    const Agent& newest = versions.back();
    const bool hidden =
        (filter.archived == Archived::kExclude && newest.archived_at.has_value()) ||
        (filter.created_from.has_value() && newest.created_at < *filter.created_from) ||
        (filter.created_until.has_value() && newest.created_at > *filter.created_until);
    if (hidden || !(newest.tenant == tenant)) continue;
    if (!page.after.empty() && id >= page.after) continue;
    if (static_cast<int>(result.items.size()) == page.limit) {
      result.has_more = true;
      break;
    }
    result.items.push_back(newest);
  }
  return result;
}

absl::StatusOr<StorePage<Agent>> FakeAgentStore::ListVersions(const Tenant& tenant,
                                                              const AgentId& id,
                                                              const PageQuery& page) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(const Versions* versions, Find(tenant, id));
  int64_t after = 0;
  const bool from_start = page.after.empty();
  if (!from_start && !absl::SimpleAtoi(page.after, &after)) return errors::InvalidPageToken();
  StorePage<Agent> result;
  for (auto agent = versions->rbegin(); agent != versions->rend(); ++agent) {
    if (!from_start && agent->version >= after) continue;
    if (static_cast<int>(result.items.size()) == page.limit) {
      result.has_more = true;
      break;
    }
    result.items.push_back(*agent);
  }
  return result;
}

absl::StatusOr<Agent> FakeAgentStore::Mutate(const Tenant& tenant, const AgentId& id,
                                             const Mutation<Agent>& mutation) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(Versions * versions, Find(tenant, id));
  const Agent stored = versions->back();
  bool changed = true;
  PADDOCK_ASSIGN_OR_RETURN(Agent updated, mutation(stored, &changed));
  if (!changed) return stored;
  updated.version = stored.version + 1;
  updated.updated_at = clock_->Now();
  versions->push_back(updated);
  return updated;
}

absl::StatusOr<Agent> FakeAgentStore::Archive(const Tenant& tenant, const AgentId& id,
                                              absl::Time now) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(Versions * versions, Find(tenant, id));
  for (Agent& agent : *versions) {
    if (!agent.archived_at.has_value()) agent.archived_at = now;
  }
  return versions->back();
}

absl::StatusOr<FakeAgentStore::Versions*> FakeAgentStore::Find(const Tenant& tenant,
                                                               const AgentId& id) {
  const auto found = agents_.find(id.value());
  if (found == agents_.end() || !(found->second.back().tenant == tenant)) {
    return errors::AgentNotFound(id.value());
  }
  return &found->second;
}

}  // namespace paddock
