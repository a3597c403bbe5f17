#include "controlplane/store/pg_change_store.h"

#include <algorithm>

#include "controlplane/store/row_reader.h"
#include "controlplane/store/session_rows.h"

namespace paddock {
namespace {

constexpr int kTailLimit = 10'000;

constexpr Statement kEnd = {"change_end", "SELECT COALESCE(max(id), 0) FROM changes"};
constexpr Statement kTail = {
    "change_tail", "SELECT id, kind, resource_id FROM changes WHERE id > $1 ORDER BY id LIMIT $2"};
constexpr Statement kSessions = {
    "change_sessions", "SELECT s.id, s.revision, " PADDOCK_NODE_REACHABLE PADDOCK_SESSION_FROM
                       "WHERE s.id = ANY ($2::text[])"};
constexpr Statement kEnvironments = {
    "change_environments",
    "SELECT id, revision, false FROM environments WHERE id = ANY ($1::text[])"};

}  // namespace

absl::StatusOr<ChangeStore::Tail> PgChangeStore::ReadTail(int64_t position) {
  return sql_->Run<Tail>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Tail> {
        Tail tail;
        if (position < 0) {
          tail.position = RowReader(transaction.ExecRow(kEnd)).Integer();
          return tail;
        }
        tail.position = position;
        for (const pqxx::row& row :
             transaction.Exec(kTail, Params().Add(position).Add(kTailLimit))) {
          RowReader reader(row);
          tail.position = std::max(tail.position, reader.Integer());
          Change change;
          change.kind = reader.Integer() == 1 ? WatchKind::kEnvironment : WatchKind::kSession;
          change.id = reader.String();
          tail.changes.push_back(std::move(change));
        }
        // After a crash the table is empty and counts from 1 again.
        if (tail.changes.empty()) {
          const int64_t end = RowReader(transaction.ExecRow(kEnd)).Integer();
          if (end < position && end > 0) tail.position = end;
        }
        return tail;
      });
}

absl::StatusOr<std::map<std::string, ChangeStore::State>> PgChangeStore::States(
    WatchKind kind, const std::vector<std::string>& ids) {
  using States = std::map<std::string, State>;
  const bool sessions = kind == WatchKind::kSession;
  Params params;
  if (sessions) params.Add(not_ready_after_);
  params.Add(ids);
  return sql_->Run<States>(TransactionMode::kRead,
                           [&](Transaction& transaction) -> absl::StatusOr<States> {
                             States states;
                             for (const pqxx::row& row :
                                  transaction.Exec(sessions ? kSessions : kEnvironments, params)) {
                               RowReader reader(row);
                               State& state = states[reader.String()];
                               state.revision = reader.Integer();
                               state.node_reachable = reader.Boolean();
                             }
                             return states;
                           });
}

}  // namespace paddock
