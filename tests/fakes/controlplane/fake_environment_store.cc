#include "tests/fakes/controlplane/fake_environment_store.h"

#include <algorithm>
#include <utility>

#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

constexpr size_t kFirstIds = 5;

}  // namespace

absl::StatusOr<Environment> FakeEnvironmentStore::Create(const Environment& environment,
                                                         const Idempotency& idempotency) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_RETURN_IF_ERROR(Enter());
  PADDOCK_ASSIGN_OR_RETURN(auto first, results_.Find(environment.tenant, idempotency));
  if (first.has_value()) return *std::move(first);
  if (NameTaken(environment)) return errors::EnvironmentNameTaken(environment.name);
  Environment stored = environment;
  stored.revision = 1;
  environments_[stored.id.value()] = stored;
  results_.Remember(stored.tenant, idempotency, stored);
  return stored;
}

absl::StatusOr<Environment> FakeEnvironmentStore::Get(const Tenant& tenant,
                                                      const EnvironmentId& id) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_RETURN_IF_ERROR(Enter());
  PADDOCK_ASSIGN_OR_RETURN(const Environment* environment, Find(tenant, id));
  return *environment;
}

absl::StatusOr<StorePage<Environment>> FakeEnvironmentStore::List(const Tenant& tenant,
                                                                  const PageQuery& page,
                                                                  Archived archived) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_RETURN_IF_ERROR(Enter());
  StorePage<Environment> result;
  for (const auto& [id, environment] : environments_) {
    const bool hidden = archived == Archived::kExclude && environment.archived_at.has_value();
    if (hidden || !(environment.tenant == tenant)) continue;
    if (!page.after.empty() && id >= page.after) continue;
    if (static_cast<int>(result.items.size()) == page.limit) {
      result.has_more = true;
      break;
    }
    result.items.push_back(environment);
  }
  return result;
}

absl::StatusOr<Environment> FakeEnvironmentStore::Mutate(const Tenant& tenant,
                                                         const EnvironmentId& id,
                                                         const Mutation<Environment>& mutation) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_RETURN_IF_ERROR(Enter());
  PADDOCK_ASSIGN_OR_RETURN(Environment * stored, Find(tenant, id));
  bool changed = true;
  PADDOCK_ASSIGN_OR_RETURN(Environment updated, mutation(*stored, &changed));
  if (!changed) return *stored;
  if (NameTaken(updated)) return errors::EnvironmentNameTaken(updated.name);
  updated.revision = stored->revision + 1;
  updated.updated_at = clock_->Now();
  *stored = updated;
  return updated;
}

absl::Status FakeEnvironmentStore::Delete(const Tenant& tenant, const EnvironmentId& id) {
  absl::MutexLock lock(&mutex_);
  PADDOCK_RETURN_IF_ERROR(Enter());
  PADDOCK_RETURN_IF_ERROR(Find(tenant, id).status());
  std::vector<std::string> sessions = references_[id.value()];
  if (!sessions.empty()) {
    const auto count = static_cast<int64_t>(sessions.size());
    sessions.resize(std::min(sessions.size(), kFirstIds));
    return errors::EnvironmentInUse(id.value(), count, sessions);
  }
  environments_.erase(id.value());
  return absl::OkStatus();
}

std::vector<Environment> FakeEnvironmentStore::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Environment> all;
  for (const auto& [id, environment] : environments_) all.push_back(environment);
  std::reverse(all.begin(), all.end());
  return all;
}

void FakeEnvironmentStore::AddReference(const EnvironmentId& id, const SessionId& session) {
  absl::MutexLock lock(&mutex_);
  references_[id.value()].push_back(session.value());
}

void FakeEnvironmentStore::RemoveReference(const EnvironmentId& id, const SessionId& session) {
  absl::MutexLock lock(&mutex_);
  auto& sessions = references_[id.value()];
  sessions.erase(std::remove(sessions.begin(), sessions.end(), session.value()), sessions.end());
}

void FakeEnvironmentStore::FailNext(absl::Status error) {
  absl::MutexLock lock(&mutex_);
  next_error_ = std::move(error);
}

int FakeEnvironmentStore::calls() const {
  absl::MutexLock lock(&mutex_);
  return calls_;
}

absl::Status FakeEnvironmentStore::Enter() {
  ++calls_;
  return std::exchange(next_error_, absl::OkStatus());
}

absl::StatusOr<Environment*> FakeEnvironmentStore::Find(const Tenant& tenant,
                                                        const EnvironmentId& id) {
  const auto found = environments_.find(id.value());
  if (found == environments_.end() || !(found->second.tenant == tenant)) {
    return errors::EnvironmentNotFound(id.value());
  }
  return &found->second;
}

bool FakeEnvironmentStore::NameTaken(const Environment& environment) const {
  return std::any_of(environments_.begin(), environments_.end(), [&](const auto& entry) {
    const Environment& other = entry.second;
    return other.tenant == environment.tenant && other.name == environment.name &&
           other.id != environment.id;
  });
}

}  // namespace paddock
