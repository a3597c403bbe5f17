#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/errors.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// The first results of repeatable creates. Not thread-safe: guarded by its store's lock.
template <typename T>
class FakeIdempotency {
 public:
  // The first result, nullopt when the id is new or empty, ALREADY_EXISTS for another body.
  absl::StatusOr<std::optional<T>> Find(const Tenant& tenant, const Idempotency& id) const {
    const auto found = results_.find(KeyOf(tenant, id));
    if (id.request_id.empty() || found == results_.end()) return std::optional<T>();
    if (found->second.first != id.body_hash) return errors::RequestIdReused(id.request_id);
    return std::optional<T>(found->second.second);
  }

  void Remember(const Tenant& tenant, const Idempotency& id, const T& result) {
    if (!id.request_id.empty()) results_[KeyOf(tenant, id)] = {id.body_hash, result};
  }

 private:
  using Key = std::pair<std::pair<std::string, std::string>, std::string>;

  static Key KeyOf(const Tenant& tenant, const Idempotency& id) {
    return {{tenant.organization, tenant.workspace}, id.request_id};
  }

  std::map<Key, std::pair<std::string, T>> results_;
};

}  // namespace paddock
