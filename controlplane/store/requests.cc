#include "controlplane/store/requests.h"

#include "common/errors.h"
#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

constexpr Statement kFind = {
    "request_find",
    "SELECT body_hash, resource_id, result FROM requests WHERE organization = $1 AND workspace = "
    "$2 AND kind = $3 AND request_id = $4"};
constexpr Statement kTake = {
    "request_take",
    "INSERT INTO requests (organization, workspace, kind, request_id, body_hash, resource_id, "
    "result) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"};

}  // namespace

absl::StatusOr<std::optional<EarlierResult>> FindRequest(Transaction& transaction,
                                                         const Tenant& tenant,
                                                         absl::string_view kind,
                                                         const Idempotency& idempotency) {
  const pqxx::row row = transaction.ExecRow(kFind, Params()
                                                       .Add(tenant.organization)
                                                       .Add(tenant.workspace)
                                                       .Add(kind)
                                                       .Add(idempotency.request_id));
  if (row.empty()) return std::nullopt;
  RowReader reader(row);
  if (reader.Text() != idempotency.body_hash) {
    return errors::RequestIdReused(idempotency.request_id);
  }
  EarlierResult earlier;
  earlier.resource_id = reader.String();
  earlier.result = reader.OptionalString();
  return earlier;
}

absl::StatusOr<std::optional<EarlierResult>> TakeRequestId(
    Transaction& transaction, const Tenant& tenant, absl::string_view kind,
    const Idempotency& idempotency, const std::string& resource_id, const std::string& result) {
  if (idempotency.request_id.empty()) return std::nullopt;
  const pqxx::result inserted = transaction.Exec(kTake, Params()
                                                            .Add(tenant.organization)
                                                            .Add(tenant.workspace)
                                                            .Add(kind)
                                                            .Add(idempotency.request_id)
                                                            .Add(idempotency.body_hash)
                                                            .Add(resource_id)
                                                            .Add(result));
  if (inserted.affected_rows() == 1) return std::nullopt;
  return FindRequest(transaction, tenant, kind, idempotency);
}

}  // namespace paddock
