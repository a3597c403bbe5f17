#include "controlplane/store/sql.h"

#include <stdexcept>
#include <string>

#include "absl/strings/match.h"
#include "common/errors.h"
#include "common/log.h"

namespace paddock {
namespace {

constexpr int kAttempts = 4;
constexpr char kUniqueViolation[] = "paddock/unique_violation";
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

class NulInText : public std::runtime_error {
 public:
  NulInText() : std::runtime_error("U+0000 in text") {}
};

absl::Status RunBody(TransactionMode mode, ConnectionPool::Connection& connection,
                     const std::function<absl::Status(Transaction&)>& body) {
  if (mode != TransactionMode::kManyWrite) {
    pqxx::nontransaction raw(*connection.connection);
    Transaction transaction(&raw, &connection);
    return body(transaction);
  }
  pqxx::work raw(*connection.connection);
  Transaction transaction(&raw, &connection);
  absl::Status status = body(transaction);
  connection.watched->Begin();
  if (status.ok()) {
    raw.commit();
  } else {
    raw.abort();
  }
  return status;
}

bool IsServerGone(absl::string_view sqlstate) {
  // operator intervention but cancelled statements; connection exceptions.
  return (absl::StartsWith(sqlstate, "57P") || absl::StartsWith(sqlstate, "08"));
}

absl::Status FromSqlState(const pqxx::sql_error& e) {
  const std::string& state = e.sqlstate();
  if (state == "57014" || state == "55P03") return errors::Overloaded("the database", kRetryAfter);
  if (state == "53300") return errors::Overloaded("the database connections", kRetryAfter);
  if (state == "23505") {
    absl::Status status = errors::ConcurrentChange();
    status.SetPayload(kUniqueViolation, absl::Cord(e.what()));
    return status;
  }
  LogError("SQL failed", {{"sqlstate", state}, {"error", e.what()}, {"query", e.query()}});
  return errors::Internal("The database refused a statement.");
}

}  // namespace

bool IsUniqueViolation(const absl::Status& status) {
  return status.GetPayload(kUniqueViolation).has_value();
}

pqxx::result Transaction::Exec(const Statement& statement, const Params& params) {
  if (params.has_nul()) throw NulInText();
  if (connection_->prepared.insert(&statement).second) {
    connection_->connection->prepare(statement.name, statement.sql);
  }
  const std::vector<const char*> pointers = params.pointers();
  connection_->watched->Begin();
  return transaction_->exec_prepared(statement.name, pqxx::prepare::make_dynamic_params(pointers));
}

pqxx::row Transaction::ExecRow(const Statement& statement, const Params& params) {
  const pqxx::result result = Exec(statement, params);
  return result.empty() ? pqxx::row() : result[0];
}

absl::Status Sql::RunStatus(TransactionMode mode,
                            const std::function<absl::Status(Transaction&)>& body) const {
  absl::Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    switch (Try(mode, body, &status)) {
      case Attempt::kDone:
        return status;
      case Attempt::kAgain:
        break;
      case Attempt::kAgainIfRead:
        if (mode != TransactionMode::kRead || attempt > 0) return status;
        break;
    }
  }
  return status;
}

Sql::Attempt Sql::Try(TransactionMode mode, const std::function<absl::Status(Transaction&)>& body,
                      absl::Status* status) const {
  absl::StatusOr<ConnectionPool::Lease> lease = pool_->Acquire();
  if (!lease.ok()) {
    *status = lease.status();
    return Attempt::kDone;
  }
  // What a broken connection means for a statement that commits by itself.
  const bool in_doubt = mode == TransactionMode::kOne;
  try {
    *status = RunBody(mode, lease->get(), body);
    return Attempt::kDone;
  } catch (const NulInText&) {
    *status = errors::InvalidField("text", "must not contain U+0000");
    return Attempt::kDone;
  } catch (const pqxx::in_doubt_error& e) {
    LogWarning("commit in doubt", {{"error", e.what()}});
    lease->DiscardAll();
    *status = errors::CommitInDoubt();
    return Attempt::kDone;
  } catch (const pqxx::broken_connection& e) {
    LogWarning("database connection broke", {{"error", e.what()}});
    lease->DiscardAll();
    *status = in_doubt ? errors::CommitInDoubt() : errors::DatabaseUnavailable();
    return Attempt::kAgainIfRead;
  } catch (const pqxx::transaction_rollback& e) {
    lease->Discard();
    *status = errors::ConcurrentChange();
    return Attempt::kAgain;
  } catch (const pqxx::sql_error& e) {
    if (IsServerGone(e.sqlstate())) {
      lease->DiscardAll();
      *status = in_doubt ? errors::CommitInDoubt() : errors::DatabaseUnavailable();
      return Attempt::kAgainIfRead;
    }
    lease->Discard();
    if (e.sqlstate() == "40001" || e.sqlstate() == "40P01") {
      *status = errors::ConcurrentChange();
      return Attempt::kAgain;
    }
    *status = FromSqlState(e);
    return Attempt::kDone;
  } catch (const std::exception& e) {
    lease->Discard();
    LogError("database call failed", {{"error", e.what()}});
    *status = errors::Internal("A database call failed.");
    return Attempt::kDone;
  }
}

}  // namespace paddock
