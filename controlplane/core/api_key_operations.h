#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/clock.h"
#include "controlplane/core/api_key_store.h"
#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"

namespace paddock {

// PERMISSION_DENIED unless `caller` has an admin key.
absl::Status RequireAdmin(const Principal& caller);

// A new secret: `pk_` and 256 random bits in URL-safe base64, 46 characters.
std::string NewApiKeySecret();

struct NewApiKey {
  Tenant tenant;
  std::string name;
  bool admin = false;
};

struct CreatedApiKey {
  ApiKey api_key;
  std::string secret;  // Shown this once; the store has its hash only.
};

// What administrators do with API keys, of every tenant. Thread-safe; calls block for the database.
// Every call is PERMISSION_DENIED without an admin key.
class ApiKeyOperations {
 public:
  // The arguments must outlive this.
  ApiKeyOperations(ApiKeyStore* store, Clock* clock) : store_(store), clock_(clock) {}

  // INVALID_ARGUMENT unless organization and workspace are 1-64 of a-z, 0-9, `-`, `_`, and the name
  // is a name (1-256 characters).
  absl::StatusOr<CreatedApiKey> Create(const Principal& caller, const NewApiKey& key);

  // Newest first.
  absl::StatusOr<Page<ApiKey>> List(const Principal& caller, const PageRequest& page);

  // Takes effect within 5 seconds on every replica. Again: the same answer as the first time.
  absl::StatusOr<ApiKey> Revoke(const Principal& caller, const ApiKeyId& id);

 private:
  ApiKeyStore* const store_;
  Clock* const clock_;
};

}  // namespace paddock
