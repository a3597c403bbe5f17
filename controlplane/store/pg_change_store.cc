#include "controlplane/store/pg_change_store.h"

#include <algorithm>

#include "controlplane/store/row_reader.h"

namespace paddock {
namespace {

constexpr int kTailLimit = 10'000;

constexpr Statement kEnd = {"change_end", "SELECT COALESCE(max(id), 0) FROM changes"};
constexpr Statement kTail = {
    "change_tail", "SELECT id, kind, resource_id FROM changes WHERE id > $1 ORDER BY id LIMIT $2"};
constexpr Statement kSessions = {"change_sessions",
                                 "SELECT id, revision FROM sessions WHERE id = ANY ($1::text[])"};
constexpr Statement kEnvironments = {
    "change_environments", "SELECT id, revision FROM environments WHERE id = ANY ($1::text[])"};

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

absl::StatusOr<std::map<std::string, int64_t>> PgChangeStore::Revisions(
    WatchKind kind, const std::vector<std::string>& ids) {
  using Revisions = std::map<std::string, int64_t>;
  return sql_->Run<Revisions>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Revisions> {
        Revisions revisions;
        for (const pqxx::row& row : transaction.Exec(
                 kind == WatchKind::kSession ? kSessions : kEnvironments, Params().Add(ids))) {
          RowReader reader(row);
          std::string id = reader.String();
          revisions[std::move(id)] = reader.Integer();
        }
        return revisions;
      });
}

}  // namespace paddock
