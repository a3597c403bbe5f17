#include <string>
#include <utility>

#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/pg_session_store.h"
#include "controlplane/store/requests.h"
#include "controlplane/store/row_reader.h"
#include "controlplane/store/session_rows.h"

// How sessions are read and described; pg_session_store.cc has what moves them.
namespace paddock {
namespace {

constexpr Statement kGet = {"session_get",
                            "SELECT " PADDOCK_SESSION_COLUMNS PADDOCK_SESSION_FROM
                            "WHERE s.id = $2 AND s.organization = $3 AND s.workspace = $4"};
constexpr Statement kLockRow = {
    "session_lock_row",
    "SELECT 1 FROM sessions WHERE id = $1 AND organization = $2 AND workspace = $3 FOR UPDATE"};
constexpr Statement kLocate = {
    "session_locate",
    "SELECT s.node_id, n.address, s.generation, s.state, extract(epoch FROM clock_timestamp() - "
    "h.last_heartbeat_at)::float8 FROM sessions s LEFT JOIN nodes n ON n.id = s.node_id LEFT JOIN "
    "node_heartbeats h ON h.node_id = s.node_id WHERE s.id = $1 AND s.organization = $2 AND "
    "s.workspace = $3"};
#define LIST_FILTER                                                                             \
  "WHERE s.organization = $2 AND s.workspace = $3 AND ($4::text IS NULL OR s.environment_id = " \
  "$4) AND ($5::text IS NULL OR s.agent_id = $5) AND ($6::text[] IS NULL OR s.state = ANY "     \
  "($6::text[])) AND ($7::timestamptz IS NULL OR s.created_at > $7::timestamptz) AND "          \
  "($8::timestamptz IS NULL OR s.created_at < $8::timestamptz) AND ($9::bool OR "               \
  "s.archived_at IS NULL) AND ($12::bigint IS NULL OR (s.document::jsonb #>> "                  \
  "'{agent,version}')::bigint = $12::bigint) "
constexpr Statement kListNewest = {
    "session_list_newest", "SELECT " PADDOCK_SESSION_COLUMNS PADDOCK_SESSION_FROM LIST_FILTER
                           "AND ($10::text IS NULL OR s.id < $10) ORDER BY s.id DESC LIMIT $11"};
constexpr Statement kListOldest = {
    "session_list_oldest", "SELECT " PADDOCK_SESSION_COLUMNS PADDOCK_SESSION_FROM LIST_FILTER
                           "AND ($10::text IS NULL OR s.id > $10) ORDER BY s.id LIMIT $11"};
#undef LIST_FILTER
// The first is the session's own row; only later ones are stored.
constexpr Statement kEvents = {
    "session_events",
    "SELECT e.number, e.status, e.at FROM sessions s LEFT JOIN LATERAL (SELECT 1::bigint AS "
    "number, "
    "'idle' AS status, s.created_at AS at UNION ALL SELECT n.number, n.status, n.at FROM "
    "session_events n WHERE n.session_id = s.id) e ON e.number > $4 WHERE s.id = $1 AND "
    "s.organization = $2 AND s.workspace = $3 ORDER BY e.number LIMIT 1000"};
constexpr Statement kUpdate = {
    "session_update",
    "UPDATE sessions SET title = $2, metadata = $3, document = $4, revision = revision + 1, "
    "updated_at = clock_timestamp() WHERE id = $1"};
// For creates that are repeated later; the first change keeps what was before it.
constexpr Statement kKeepResult = {
    "session_keep_result",
    "UPDATE requests SET result = $2 WHERE resource_id = $1 AND result IS NULL"};
constexpr Statement kKeptResult = {
    "session_kept_result",
    "SELECT result FROM requests WHERE resource_id = $1 AND result IS NOT NULL"};
constexpr Statement kNoteChange = {"session_note_change",
                                   "INSERT INTO changes (kind, resource_id) VALUES (2, $1)"};

SessionStatusKind StatusKindFromName(absl::string_view name) {
  if (name == "idle") return SessionStatusKind::kIdle;
  return name == "rescheduling" ? SessionStatusKind::kRescheduling : SessionStatusKind::kTerminated;
}

bool Malformed(const SessionId& id) { return !IsWellFormedId(kSessionPrefix, id.value()); }

}  // namespace

absl::StatusOr<std::optional<Session>> PgSessionStore::FindCreated(const Tenant& tenant,
                                                                   const Idempotency& idempotency) {
  if (idempotency.request_id.empty()) return std::nullopt;
  return sql_->Run<std::optional<Session>>(TransactionMode::kRead, [&](Transaction& transaction) {
    return FindCreatedIn(transaction, tenant, idempotency);
  });
}

absl::StatusOr<std::optional<Session>> PgSessionStore::FindCreatedIn(
    Transaction& transaction, const Tenant& tenant, const Idempotency& idempotency) {
  PADDOCK_ASSIGN_OR_RETURN(std::optional<EarlierResult> earlier,
                           FindRequest(transaction, tenant, "session", idempotency));
  if (!earlier.has_value()) return std::nullopt;
  absl::StatusOr<Session> session =
      ReadCreated(transaction, tenant, SessionId(earlier->resource_id));
  if (session.ok()) return std::optional<Session>(*std::move(session));
  // Deleted: perhaps between the two reads, then the result is there now.
  PADDOCK_ASSIGN_OR_RETURN(earlier, FindRequest(transaction, tenant, "session", idempotency));
  if (!earlier.has_value() || !earlier->result.has_value()) return session.status();
  return std::optional<Session>(DecodeSession(*earlier->result, tenant));
}

absl::StatusOr<Session> PgSessionStore::ReadCreated(Transaction& transaction, const Tenant& tenant,
                                                    const SessionId& id) {
  PADDOCK_ASSIGN_OR_RETURN(Session session, Read(transaction, tenant, id));
  // After the session: what a change has made of it since is in no result yet.
  const pqxx::row row = transaction.ExecRow(kKeptResult, Params().Add(id.value()));
  if (row.empty()) return session;
  Session first = DecodeSession(RowReader(row).Text(), tenant);
  session.title = std::move(first.title);
  session.metadata = std::move(first.metadata);
  session.agent = std::move(first.agent);
  return session;
}

absl::StatusOr<Session> PgSessionStore::Read(Transaction& transaction, const Tenant& tenant,
                                             const SessionId& id) {
  const pqxx::row row = transaction.ExecRow(kGet, Params()
                                                      .Add(not_ready_after_)
                                                      .Add(id.value())
                                                      .Add(tenant.organization)
                                                      .Add(tenant.workspace));
  if (row.empty()) return errors::SessionNotFound(id.value());
  return ReadSession(row);
}

absl::StatusOr<Session> PgSessionStore::Get(const Tenant& tenant, const SessionId& id) {
  if (Malformed(id)) return errors::SessionNotFound(id.value());
  return sql_->Run<Session>(TransactionMode::kRead, [&](Transaction& transaction) {
    return Read(transaction, tenant, id);
  });
}

absl::StatusOr<SessionLocation> PgSessionStore::Locate(const Tenant& tenant, const SessionId& id) {
  if (Malformed(id)) return errors::SessionNotFound(id.value());
  return sql_->Run<SessionLocation>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<SessionLocation> {
        const pqxx::row row = transaction.ExecRow(
            kLocate, Params().Add(id.value()).Add(tenant.organization).Add(tenant.workspace));
        if (row.empty()) return errors::SessionNotFound(id.value());
        RowReader reader(row);
        SessionLocation location;
        location.node.id = NodeId(reader.String());
        location.node.address = reader.String();
        location.generation = reader.Integer();
        location.phase = PhaseFromName(reader.Text());
        location.node_silent_for = reader.Seconds();
        // One that lies ahead is no sign of life (see SetNodeState).
        location.node_reachable = absl::AbsDuration(location.node_silent_for) <= not_ready_after_;
        return location;
      });
}

absl::StatusOr<StorePage<Session>> PgSessionStore::List(const Tenant& tenant,
                                                        const SessionFilter& filter,
                                                        const PageQuery& page) {
  Params params;
  params.Add(not_ready_after_).Add(tenant.organization).Add(tenant.workspace);
  filter.environment_id ? params.Add(filter.environment_id->value()) : params.AddNull();
  filter.agent_id ? params.Add(filter.agent_id->value()) : params.AddNull();
  if (filter.phases.empty()) {
    params.AddNull();
  } else {
    std::vector<std::string> names;
    for (SessionPhase phase : filter.phases) names.emplace_back(SessionPhaseName(phase));
    params.Add(names);
  }
  params.Add(filter.created_after)
      .Add(filter.created_before)
      .Add(filter.archived == Archived::kInclude);
  page.after.empty() ? params.AddNull() : params.Add(page.after);
  params.Add(page.limit + 1);
  filter.agent_version ? params.Add(*filter.agent_version) : params.AddNull();
  return sql_->Run<StorePage<Session>>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<StorePage<Session>> {
        const bool newest_first = filter.order == ListOrder::kNewestFirst;
        StorePage<Session> result;
        for (const pqxx::row& row :
             transaction.Exec(newest_first ? kListNewest : kListOldest, params)) {
          if (static_cast<int>(result.items.size()) == page.limit) {
            result.has_more = true;
            break;
          }
          result.items.push_back(ReadSession(row));
        }
        return result;
      });
}

absl::StatusOr<std::vector<SessionEvent>> PgSessionStore::Events(const Tenant& tenant,
                                                                 const SessionId& id,
                                                                 int64_t after) {
  if (Malformed(id)) return errors::SessionNotFound(id.value());
  using Events = std::vector<SessionEvent>;
  return sql_->Run<Events>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Events> {
        const pqxx::result rows = transaction.Exec(
            kEvents,
            Params().Add(id.value()).Add(tenant.organization).Add(tenant.workspace).Add(after));
        if (rows.empty()) return errors::SessionNotFound(id.value());
        Events events;
        for (const pqxx::row& row : rows) {
          RowReader reader(row);
          if (reader.IsNull()) break;  // A session without later events.
          SessionEvent event;
          event.number = reader.Integer();
          event.status = StatusKindFromName(reader.Text());
          event.at = reader.Time();
          events.push_back(event);
        }
        return events;
      });
}

absl::StatusOr<Session> PgSessionStore::Mutate(const Tenant& tenant, const SessionId& id,
                                               const Mutation<Session>& mutation) {
  if (Malformed(id)) return errors::SessionNotFound(id.value());
  return sql_->Run<Session>(
      TransactionMode::kManyWrite, [&](Transaction& transaction) -> absl::StatusOr<Session> {
        const pqxx::row locked = transaction.ExecRow(
            kLockRow, Params().Add(id.value()).Add(tenant.organization).Add(tenant.workspace));
        if (locked.empty()) return errors::SessionNotFound(id.value());
        PADDOCK_ASSIGN_OR_RETURN(const Session stored, Read(transaction, tenant, id));
        bool changed = true;
        PADDOCK_ASSIGN_OR_RETURN(const Session next, mutation(stored, &changed));
        if (!changed) return stored;
        transaction.Exec(kKeepResult, Params().Add(id.value()).Add(EncodeSession(stored)));
        transaction.Exec(kUpdate, Params()
                                      .Add(id.value())
                                      .Add(next.title)
                                      .Add(EncodeMap(next.metadata))
                                      .Add(EncodeSessionDocument(next)));
        transaction.Exec(kNoteChange, Params().Add(id.value()));
        return Read(transaction, tenant, id);
      });
}

}  // namespace paddock
