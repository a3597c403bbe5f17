#include "controlplane/store/pg_environment_store.h"

#include <utility>

#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/store/environment_rows.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/requests.h"
#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

constexpr int kShownSessions = 5;

constexpr Statement kInsert = {
    "environment_insert",
    "INSERT INTO environments (" PADDOCK_ENVIRONMENT_COLUMNS
    ", image_unsettled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, NULL, $10) "
    "ON CONFLICT ON CONSTRAINT environments_name DO NOTHING "
    "RETURNING " PADDOCK_ENVIRONMENT_COLUMNS};
constexpr Statement kGet = {"environment_get",
                            "SELECT " PADDOCK_ENVIRONMENT_COLUMNS
                            " FROM environments WHERE id = $1 AND organization = $2 AND workspace "
                            "= $3"};
constexpr Statement kLock = {"environment_lock",
                             "SELECT " PADDOCK_ENVIRONMENT_COLUMNS
                             " FROM environments WHERE id = $1 AND organization = $2 AND "
                             "workspace = $3 FOR UPDATE"};
constexpr Statement kList = {
    "environment_list",
    "SELECT " PADDOCK_ENVIRONMENT_COLUMNS
    " FROM environments WHERE organization = $1 AND workspace = $2 AND ($3::text IS NULL OR id < "
    "$3) AND ($4 OR archived_at IS NULL) ORDER BY id DESC LIMIT $5"};
constexpr Statement kNameTaken = {
    "environment_name_taken",
    "SELECT 1 FROM environments WHERE organization = $1 AND workspace = $2 AND name = $3 AND id <> "
    "$4"};
// A name that another transaction is taking makes this wait, and then find it taken. A new image
// waits for nothing yet.
constexpr Statement kUpdate = {
    "environment_update",
    "UPDATE environments SET name = $2, description = $3, metadata = $4, config = $5, image = $6, "
    "archived_at = $7, revision = revision + 1, updated_at = GREATEST(clock_timestamp(), "
    "updated_at), image_unsettled = $8, image_key = CASE WHEN $9 THEN image_key END WHERE id = $1 "
    "RETURNING " PADDOCK_ENVIRONMENT_COLUMNS};
constexpr Statement kNoteChange = {"environment_note_change",
                                   "INSERT INTO changes (kind, resource_id) VALUES (1, $1)"};
constexpr Statement kReferences = {
    "environment_references",
    "SELECT id, count(*) OVER () FROM sessions WHERE environment_id = $1 ORDER BY id LIMIT $2"};
constexpr Statement kDelete = {"environment_delete", "DELETE FROM environments WHERE id = $1"};

Params Key(const Tenant& tenant, const EnvironmentId& id) {
  return Params().Add(id.value()).Add(tenant.organization).Add(tenant.workspace);
}

absl::StatusOr<Environment> Replay(const EarlierResult& earlier, const Tenant& tenant) {
  Environment environment = DecodeEnvironment(earlier.result.value_or(""));
  environment.tenant = tenant;
  return environment;
}

}  // namespace

absl::StatusOr<Environment> PgEnvironmentStore::Create(const Environment& environment,
                                                       const Idempotency& idempotency) {
  Environment first = environment;
  first.revision = 1;
  first.updated_at = first.created_at;
  return sql_->Run<Environment>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<Environment> {
        PADDOCK_ASSIGN_OR_RETURN(
            std::optional<EarlierResult> earlier,
            TakeRequestId(transaction, first.tenant, "environment", idempotency, first.id.value(),
                          EncodeEnvironment(first)));
        if (earlier.has_value()) return Replay(*earlier, first.tenant);
        const pqxx::row row = transaction.ExecRow(kInsert, Params()
                                                               .Add(first.id.value())
                                                               .Add(first.tenant.organization)
                                                               .Add(first.tenant.workspace)
                                                               .Add(first.name)
                                                               .Add(first.description)
                                                               .Add(EncodeMap(first.metadata))
                                                               .Add(EncodeConfig(first.config))
                                                               .Add(EncodeImage(first.image))
                                                               .Add(first.created_at)
                                                               .Add(IsUnsettled(first.image)));
        if (row.empty()) return errors::EnvironmentNameTaken(first.name);
        return ReadEnvironment(row);
      });
}

absl::StatusOr<Environment> PgEnvironmentStore::Get(const Tenant& tenant, const EnvironmentId& id) {
  if (!IsWellFormedId(kEnvironmentPrefix, id.value())) {
    return errors::EnvironmentNotFound(id.value());
  }
  return sql_->Run<Environment>(TransactionMode::kRead,
                                [&](Transaction& transaction) -> absl::StatusOr<Environment> {
                                  const pqxx::row row = transaction.ExecRow(kGet, Key(tenant, id));
                                  if (row.empty()) return errors::EnvironmentNotFound(id.value());
                                  return ReadEnvironment(row);
                                });
}

absl::StatusOr<StorePage<Environment>> PgEnvironmentStore::List(const Tenant& tenant,
                                                                const PageQuery& page,
                                                                Archived archived) {
  return sql_->Run<StorePage<Environment>>(
      TransactionMode::kRead,
      [&](Transaction& transaction) -> absl::StatusOr<StorePage<Environment>> {
        Params params;
        params.Add(tenant.organization).Add(tenant.workspace);
        page.after.empty() ? params.AddNull() : params.Add(page.after);
        params.Add(archived == Archived::kInclude).Add(page.limit + 1);
        StorePage<Environment> result;
        for (const pqxx::row& row : transaction.Exec(kList, params)) {
          if (static_cast<int>(result.items.size()) == page.limit) {
            result.has_more = true;
            break;
          }
          result.items.push_back(ReadEnvironment(row));
        }
        return result;
      });
}

absl::StatusOr<Environment> PgEnvironmentStore::Mutate(const Tenant& tenant,
                                                       const EnvironmentId& id,
                                                       const Mutation<Environment>& mutation) {
  if (!IsWellFormedId(kEnvironmentPrefix, id.value())) {
    return errors::EnvironmentNotFound(id.value());
  }
  std::string name;
  absl::StatusOr<Environment> result = sql_->Run<Environment>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<Environment> {
        const pqxx::row row = transaction.ExecRow(kLock, Key(tenant, id));
        if (row.empty()) return errors::EnvironmentNotFound(id.value());
        const Environment stored = ReadEnvironment(row);
        bool changed = true;
        PADDOCK_ASSIGN_OR_RETURN(const Environment next, mutation(stored, &changed));
        if (!changed) return stored;
        name = next.name;
        if (next.name != stored.name) {
          const bool taken = !transaction
                                  .ExecRow(kNameTaken, Params()
                                                           .Add(tenant.organization)
                                                           .Add(tenant.workspace)
                                                           .Add(next.name)
                                                           .Add(id.value()))
                                  .empty();
          if (taken) return errors::EnvironmentNameTaken(next.name);
        }
        transaction.Exec(kNoteChange, Params().Add(id.value()));
        const bool same_image = next.image.generation == stored.image.generation;
        return ReadEnvironment(transaction.ExecRow(kUpdate, Params()
                                                                .Add(id.value())
                                                                .Add(next.name)
                                                                .Add(next.description)
                                                                .Add(EncodeMap(next.metadata))
                                                                .Add(EncodeConfig(next.config))
                                                                .Add(EncodeImage(next.image))
                                                                .Add(next.archived_at)
                                                                .Add(IsUnsettled(next.image))
                                                                .Add(same_image)));
      });
  if (IsUniqueViolation(result.status())) return errors::EnvironmentNameTaken(name);
  return result;
}

absl::Status PgEnvironmentStore::Delete(const Tenant& tenant, const EnvironmentId& id) {
  if (!IsWellFormedId(kEnvironmentPrefix, id.value())) {
    return errors::EnvironmentNotFound(id.value());
  }
  return sql_->RunStatus(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::Status {
        if (transaction.ExecRow(kLock, Key(tenant, id)).empty()) {
          return errors::EnvironmentNotFound(id.value());
        }
        // Sessions are made under a share lock of this row, so none can come in between.
        std::vector<std::string> ids;
        int64_t count = 0;
        for (const pqxx::row& row :
             transaction.Exec(kReferences, Params().Add(id.value()).Add(kShownSessions))) {
          RowReader reader(row);
          ids.push_back(reader.String());
          count = reader.Integer();
        }
        if (count > 0) return errors::EnvironmentInUse(id.value(), count, ids);
        transaction.Exec(kNoteChange, Params().Add(id.value()));
        transaction.Exec(kDelete, Params().Add(id.value()));
        return absl::OkStatus();
      });
}

}  // namespace paddock
