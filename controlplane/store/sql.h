#pragma once

#include <functional>
#include <pqxx/pqxx>
#include <utility>

#include "absl/status/statusor.h"
#include "controlplane/store/connection_pool.h"
#include "controlplane/store/params.h"

namespace paddock {

// One SQL statement; lives as long as the process, so its address identifies it.
struct Statement {
  const char* name;
  const char* sql;
};

// One transaction in progress, as the bodies given to Sql::Run see it. Not thread-safe.
class Transaction {
 public:
  Transaction(pqxx::transaction_base* transaction, ConnectionPool::Connection* connection)
      : transaction_(transaction), connection_(connection) {}

  // Prepares the statement on this connection if need be. Throws what pqxx throws, and NulInText.
  pqxx::result Exec(const Statement& statement, const Params& params = Params());
  // The first row; an empty one (size() 0) when there is none.
  pqxx::row ExecRow(const Statement& statement, const Params& params = Params());

 private:
  pqxx::transaction_base* const transaction_;
  ConnectionPool::Connection* const connection_;
};

// Whether the transaction broke a unique constraint.
bool IsUniqueViolation(const absl::Status& status);

enum class TransactionMode {
  kRead,       // Statements on their own; a broken connection is tried once more.
  kOne,        // One statement that writes, with a commit of its own.
  kManyWrite,  // BEGIN … COMMIT.
};

// Runs transactions. The only place where exceptions of pqxx are caught. Thread-safe.
//
// A body returns a status or StatusOr; an error rolls back. Deadlocks and serialization failures
// are tried again, so bodies have no effect but on the transaction.
//   UNAVAILABLE         DATABASE_UNAVAILABLE (nothing happened), or COMMIT_IN_DOUBT.
//   RESOURCE_EXHAUSTED  no connection, a lock or statement time-out.
//   INVALID_ARGUMENT    a text with U+0000.
//   ABORTED             lost against another transaction; see IsUniqueViolation.
//   INTERNAL            anything else, logged here.
class Sql {
 public:
  explicit Sql(ConnectionPool* pool) : pool_(pool) {}

  template <typename T>
  absl::StatusOr<T> Run(TransactionMode mode,
                        const std::function<absl::StatusOr<T>(Transaction&)>& body) const {
    absl::StatusOr<T> result = absl::UnknownError("not run");
    absl::Status status = RunStatus(mode, [&](Transaction& transaction) {
      result = body(transaction);
      return result.status();
    });
    if (!status.ok()) return status;
    return result;
  }

  absl::Status RunStatus(TransactionMode mode,
                         const std::function<absl::Status(Transaction&)>& body) const;

 private:
  enum class Attempt { kDone, kAgain, kAgainIfRead };
  Attempt Try(TransactionMode mode, const std::function<absl::Status(Transaction&)>& body,
              absl::Status* status) const;

  ConnectionPool* const pool_;
};

}  // namespace paddock
