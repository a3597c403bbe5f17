#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/errors.h"
#include "controlplane/core/api_key_store.h"

namespace paddock {

// API keys in memory, with the contract of ApiKeyStore. Thread-safe.
class FakeApiKeyStore : public ApiKeyStore {
 public:
  absl::StatusOr<ApiKey> Create(const ApiKey& key, const std::string& secret_hash) override {
    absl::MutexLock lock(&mutex_);
    keys_[key.id.value()] = {key, secret_hash};
    return key;
  }

  absl::StatusOr<ApiKey> FindByHash(const std::string& secret_hash) override {
    absl::MutexLock lock(&mutex_);
    ++look_ups_;
    for (const auto& [id, entry] : keys_) {
      if (entry.second == secret_hash) return entry.first;
    }
    return errors::ApiKeyNotFound("");
  }

  absl::StatusOr<StorePage<ApiKey>> List(const PageQuery& page) override {
    absl::MutexLock lock(&mutex_);
    StorePage<ApiKey> result;
    for (const auto& [id, entry] : keys_) {
      if (!page.after.empty() && id >= page.after) continue;
      if (static_cast<int>(result.items.size()) == page.limit) {
        result.has_more = true;
        break;
      }
      result.items.push_back(entry.first);
    }
    return result;
  }

  absl::StatusOr<ApiKey> Revoke(const ApiKeyId& id, absl::Time now) override {
    absl::MutexLock lock(&mutex_);
    const auto found = keys_.find(id.value());
    if (found == keys_.end()) return errors::ApiKeyNotFound(id.value());
    ApiKey& key = found->second.first;
    if (!key.revoked_at.has_value()) key.revoked_at = now;
    return key;
  }

  // How often FindByHash was called.
  int look_ups() const {
    absl::MutexLock lock(&mutex_);
    return look_ups_;
  }

 private:
  mutable absl::Mutex mutex_;
  // By id, newest first: the key and the hash of its secret.
  std::map<std::string, std::pair<ApiKey, std::string>, std::greater<>> keys_
      ABSL_GUARDED_BY(mutex_);
  int look_ups_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace paddock
