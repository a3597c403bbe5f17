#pragma once

#include <string>

#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// API keys, durable. Knows hashes, never secrets. See store_types.h.
class ApiKeyStore {
 public:
  virtual ~ApiKeyStore() = default;

  // `secret_hash` is the SHA-256 of the secret, in lower-case hexadecimal.
  virtual absl::StatusOr<ApiKey> Create(const ApiKey& key, const std::string& secret_hash) = 0;

  // The key with that hash, revoked or not; NOT_FOUND when there is none.
  virtual absl::StatusOr<ApiKey> FindByHash(const std::string& secret_hash) = 0;

  // Keys of every tenant, newest first.
  virtual absl::StatusOr<StorePage<ApiKey>> List(const PageQuery& page) = 0;

  // Sets revoked_at once. Again: the same answer as the first time.
  virtual absl::StatusOr<ApiKey> Revoke(const ApiKeyId& id, absl::Time now) = 0;
};

}  // namespace paddock
