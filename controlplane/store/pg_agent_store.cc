#include "controlplane/store/pg_agent_store.h"

#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/requests.h"
#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

#define COLUMNS                                                                            \
  "a.id, a.organization, a.workspace, v.version, v.document, a.created_at, v.updated_at, " \
  "a.archived_at"

constexpr Statement kInsert = {
    "agent_insert",
    "INSERT INTO agents (id, organization, workspace, version, created_at) VALUES ($1, $2, $3, 1, "
    "$4)"};
constexpr Statement kInsertVersion = {
    "agent_insert_version",
    "INSERT INTO agent_versions (agent_id, version, document, updated_at) VALUES ($1, $2, $3, $4)"};
constexpr Statement kInsertNewVersion = {
    "agent_insert_new_version",
    "INSERT INTO agent_versions (agent_id, version, document, updated_at) VALUES ($1, $2, $3, "
    "clock_timestamp()) RETURNING updated_at"};
// $4 = 0: the newest version.
constexpr Statement kGet = {"agent_get", "SELECT " COLUMNS
                                         " FROM agents a JOIN agent_versions v ON v.agent_id = "
                                         "a.id AND v.version = CASE WHEN $4::bigint = 0 "
                                         "THEN a.version ELSE $4::bigint END WHERE a.id = $1 AND "
                                         "a.organization = $2 AND a.workspace = $3"};
constexpr Statement kLock = {
    "agent_lock",
    "SELECT " COLUMNS
    " FROM agents a JOIN agent_versions v ON v.agent_id = a.id AND v.version = a.version WHERE "
    "a.id = $1 AND a.organization = $2 AND a.workspace = $3 FOR UPDATE OF a"};
constexpr Statement kLockOnly = {
    "agent_lock_only",
    "SELECT 1 FROM agents WHERE id = $1 AND organization = $2 AND workspace = $3 FOR UPDATE"};
constexpr Statement kList = {
    "agent_list",
    "SELECT " COLUMNS
    " FROM agents a JOIN agent_versions v ON v.agent_id = a.id AND v.version = a.version WHERE "
    "a.organization = $1 AND a.workspace = $2 AND ($3::text IS NULL OR a.id < $3) AND ($4 OR "
    "a.archived_at IS NULL) AND ($6::timestamptz IS NULL OR a.created_at >= $6::timestamptz) AND "
    "($7::timestamptz IS NULL OR a.created_at <= $7::timestamptz) ORDER BY a.id DESC LIMIT $5"};
constexpr Statement kListVersions = {
    "agent_list_versions",
    "SELECT " COLUMNS
    " FROM agents a JOIN agent_versions v ON v.agent_id = a.id WHERE a.id = $1 AND a.organization "
    "= $2 AND a.workspace = $3 AND v.version < $4 ORDER BY v.version DESC LIMIT $5"};
constexpr Statement kSetVersion = {"agent_set_version",
                                   "UPDATE agents SET version = $2 WHERE id = $1"};
constexpr Statement kArchive = {
    "agent_archive",
    "UPDATE agents SET archived_at = $4 WHERE id = $1 AND organization = $2 AND workspace = $3 AND "
    "archived_at IS NULL"};

Agent ReadAgent(const pqxx::row& row) {
  RowReader reader(row);
  const std::string id = reader.String();
  Tenant tenant;
  tenant.organization = reader.String();
  tenant.workspace = reader.String();
  const int64_t version = reader.Integer();
  Agent agent = DecodeAgent(reader.Text());
  agent.id = AgentId(id);
  agent.tenant = std::move(tenant);
  agent.version = version;
  agent.created_at = reader.Time();
  agent.updated_at = reader.Time();
  agent.archived_at = reader.OptionalTime();
  return agent;
}

Params Key(const Tenant& tenant, const AgentId& id) {
  return Params().Add(id.value()).Add(tenant.organization).Add(tenant.workspace);
}

StorePage<Agent> ReadPage(const pqxx::result& rows, int limit) {
  StorePage<Agent> page;
  for (const pqxx::row& row : rows) {
    if (static_cast<int>(page.items.size()) == limit) {
      page.has_more = true;
      break;
    }
    page.items.push_back(ReadAgent(row));
  }
  return page;
}

bool Malformed(const AgentId& id) { return !IsWellFormedId(kAgentPrefix, id.value()); }

}  // namespace

absl::StatusOr<Agent> PgAgentStore::Create(const Agent& agent, const Idempotency& idempotency) {
  Agent first = agent;
  first.version = 1;
  first.updated_at = first.created_at;
  first.archived_at.reset();
  return sql_->Run<Agent>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<Agent> {
        const std::string document = EncodeAgent(first);
        // The first version never changes, so the request needs no copy of it.
        PADDOCK_ASSIGN_OR_RETURN(
            std::optional<EarlierResult> earlier,
            TakeRequestId(transaction, first.tenant, "agent", idempotency, first.id.value(), ""));
        if (earlier.has_value()) {
          const pqxx::row row =
              transaction.ExecRow(kGet, Key(first.tenant, AgentId(earlier->resource_id)).Add(1));
          if (row.empty()) return errors::AgentNotFound(earlier->resource_id);
          return ReadAgent(row);
        }
        transaction.Exec(kInsert, Key(first.tenant, first.id).Add(first.created_at));
        transaction.Exec(kInsertVersion,
                         Params().Add(first.id.value()).Add(1).Add(document).Add(first.updated_at));
        return first;
      });
}

absl::StatusOr<Agent> PgAgentStore::Get(const Tenant& tenant, const AgentId& id, int64_t version) {
  if (Malformed(id)) return errors::AgentNotFound(id.value());
  return sql_->Run<Agent>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Agent> {
        pqxx::row row = transaction.ExecRow(kGet, Key(tenant, id).Add(version));
        if (!row.empty()) return ReadAgent(row);
        if (version != 0 && !transaction.ExecRow(kGet, Key(tenant, id).Add(0)).empty()) {
          return errors::AgentVersionNotFound(id.value(), version);
        }
        return errors::AgentNotFound(id.value());
      });
}

absl::StatusOr<StorePage<Agent>> PgAgentStore::List(const Tenant& tenant, const PageQuery& page,
                                                    const AgentFilter& filter) {
  return sql_->Run<StorePage<Agent>>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<StorePage<Agent>> {
        Params params;
        params.Add(tenant.organization).Add(tenant.workspace);
        page.after.empty() ? params.AddNull() : params.Add(page.after);
        params.Add(filter.archived == Archived::kInclude)
            .Add(page.limit + 1)
            .Add(filter.created_from)
            .Add(filter.created_until);
        return ReadPage(transaction.Exec(kList, params), page.limit);
      });
}

absl::StatusOr<StorePage<Agent>> PgAgentStore::ListVersions(const Tenant& tenant, const AgentId& id,
                                                            const PageQuery& page) {
  if (Malformed(id)) return errors::AgentNotFound(id.value());
  int64_t below = std::numeric_limits<int64_t>::max();
  if (!page.after.empty() && !absl::SimpleAtoi(page.after, &below)) {
    return errors::InvalidPageToken();
  }
  return sql_->Run<StorePage<Agent>>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<StorePage<Agent>> {
        StorePage<Agent> result = ReadPage(
            transaction.Exec(kListVersions, Key(tenant, id).Add(below).Add(page.limit + 1)),
            page.limit);
        // Every agent has a first version, so only an unknown one has an empty first page.
        if (result.items.empty() && page.after.empty()) return errors::AgentNotFound(id.value());
        return result;
      });
}

absl::StatusOr<Agent> PgAgentStore::Mutate(const Tenant& tenant, const AgentId& id,
                                           const Mutation<Agent>& mutation) {
  if (Malformed(id)) return errors::AgentNotFound(id.value());
  return sql_->Run<Agent>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<Agent> {
        // Two steps: the second statement's snapshot sees the version that the lock waited for.
        if (transaction.ExecRow(kLockOnly, Key(tenant, id)).empty()) {
          return errors::AgentNotFound(id.value());
        }
        const Agent stored = ReadAgent(transaction.ExecRow(kLock, Key(tenant, id)));
        bool changed = true;
        PADDOCK_ASSIGN_OR_RETURN(Agent next, mutation(stored, &changed));
        if (!changed) return stored;
        next.id = stored.id;
        next.tenant = stored.tenant;
        next.version = stored.version + 1;
        next.created_at = stored.created_at;
        next.archived_at = stored.archived_at;
        RowReader reader(transaction.ExecRow(
            kInsertNewVersion, Params().Add(id.value()).Add(next.version).Add(EncodeAgent(next))));
        next.updated_at = reader.Time();
        transaction.Exec(kSetVersion, Params().Add(id.value()).Add(next.version));
        return next;
      });
}

absl::StatusOr<Agent> PgAgentStore::Archive(const Tenant& tenant, const AgentId& id,
                                            absl::Time now) {
  if (Malformed(id)) return errors::AgentNotFound(id.value());
  return sql_->Run<Agent>(TransactionMode::kManyWrite,
                          [&](Transaction& transaction) -> absl::StatusOr<Agent> {
                            transaction.Exec(kArchive, Key(tenant, id).Add(now));
                            const pqxx::row row = transaction.ExecRow(kGet, Key(tenant, id).Add(0));
                            if (row.empty()) return errors::AgentNotFound(id.value());
                            return ReadAgent(row);
                          });
}

#undef COLUMNS

}  // namespace paddock
