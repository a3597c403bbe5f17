#pragma once

#include <string>

#include "controlplane/core/api_key_store.h"
#include "controlplane/store/sql.h"

namespace paddock {

// ApiKeyStore on PostgreSQL. Thread-safe.
class PgApiKeyStore : public ApiKeyStore {
 public:
  explicit PgApiKeyStore(const Sql* sql) : sql_(sql) {}

  absl::StatusOr<ApiKey> Create(const ApiKey& key, const std::string& secret_hash) override;
  absl::StatusOr<ApiKey> FindByHash(const std::string& secret_hash) override;
  absl::StatusOr<StorePage<ApiKey>> List(const PageQuery& page) override;
  absl::StatusOr<ApiKey> Revoke(const ApiKeyId& id, absl::Time now) override;

 private:
  const Sql* const sql_;
};

}  // namespace paddock
