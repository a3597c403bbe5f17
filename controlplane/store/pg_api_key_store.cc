#include "controlplane/store/pg_api_key_store.h"

#include "common/errors.h"
#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

#define COLUMNS "id, organization, workspace, name, admin, created_at, revoked_at"

constexpr Statement kInsert = {
    "api_key_insert",
    "INSERT INTO api_keys (id, organization, workspace, name, admin, created_at, secret_hash) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"};
constexpr Statement kFind = {"api_key_find",
                             "SELECT " COLUMNS " FROM api_keys WHERE secret_hash = $1"};
constexpr Statement kList = {
    "api_key_list",
    "SELECT " COLUMNS " FROM api_keys WHERE $1::text IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"};
constexpr Statement kRevoke = {
    "api_key_revoke",
    "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 RETURNING " COLUMNS};

ApiKey ReadKey(const pqxx::row& row) {
  RowReader reader(row);
  ApiKey key;
  key.id = ApiKeyId(reader.String());
  key.tenant.organization = reader.String();
  key.tenant.workspace = reader.String();
  key.name = reader.String();
  key.admin = reader.Boolean();
  key.created_at = reader.Time();
  key.revoked_at = reader.OptionalTime();
  return key;
}

}  // namespace

absl::StatusOr<ApiKey> PgApiKeyStore::Create(const ApiKey& key, const std::string& secret_hash) {
  return sql_->Run<ApiKey>(TransactionMode::kOne,
                           [&](Transaction& transaction) -> absl::StatusOr<ApiKey> {
                             transaction.Exec(kInsert, Params()
                                                           .Add(key.id.value())
                                                           .Add(key.tenant.organization)
                                                           .Add(key.tenant.workspace)
                                                           .Add(key.name)
                                                           .Add(key.admin)
                                                           .Add(key.created_at)
                                                           .Add(secret_hash));
                             return key;
                           });
}

absl::StatusOr<ApiKey> PgApiKeyStore::FindByHash(const std::string& secret_hash) {
  return sql_->Run<ApiKey>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<ApiKey> {
        const pqxx::row row = transaction.ExecRow(kFind, Params().Add(secret_hash));
        if (row.empty()) return errors::ApiKeyNotFound("");
        return ReadKey(row);
      });
}

absl::StatusOr<StorePage<ApiKey>> PgApiKeyStore::List(const PageQuery& page) {
  return sql_->Run<StorePage<ApiKey>>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<StorePage<ApiKey>> {
        Params params;
        page.after.empty() ? params.AddNull() : params.Add(page.after);
        params.Add(page.limit + 1);
        StorePage<ApiKey> result;
        for (const pqxx::row& row : transaction.Exec(kList, params)) {
          if (static_cast<int>(result.items.size()) == page.limit) {
            result.has_more = true;
            break;
          }
          result.items.push_back(ReadKey(row));
        }
        return result;
      });
}

absl::StatusOr<ApiKey> PgApiKeyStore::Revoke(const ApiKeyId& id, absl::Time now) {
  if (!IsWellFormedId(kApiKeyPrefix, id.value())) return errors::ApiKeyNotFound(id.value());
  return sql_->Run<ApiKey>(
      TransactionMode::kOne, [&](Transaction& transaction) -> absl::StatusOr<ApiKey> {
        const pqxx::row row = transaction.ExecRow(kRevoke, Params().Add(id.value()).Add(now));
        if (row.empty()) return errors::ApiKeyNotFound(id.value());
        return ReadKey(row);
      });
}

#undef COLUMNS

}  // namespace paddock
