#include "controlplane/core/remembered_environments.h"

#include <utility>

namespace paddock {

std::shared_ptr<const Environment> RememberedEnvironments::Find(const Tenant& tenant,
                                                                const EnvironmentId& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = environments_.find(id);
  if (found == environments_.end() || !(found->second->tenant == tenant)) return nullptr;
  return found->second;
}

void RememberedEnvironments::Remember(Environment environment) {
  auto shared = std::make_shared<const Environment>(std::move(environment));
  absl::MutexLock lock(&mutex_);
  // Who has so many environments in use pays a reading now and then.
  if (environments_.size() >= kMost) environments_.clear();
  environments_.insert_or_assign(shared->id, shared);
}

}  // namespace paddock
