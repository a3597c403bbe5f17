#include "tests/bench/fleet/database_meter.h"

#include <functional>
#include <pqxx/pqxx>

#include "common/status_macros.h"

namespace paddock::bench {
namespace {

absl::Status WithDatabase(const std::string& url,
                          const std::function<void(pqxx::nontransaction&)>& body) {
  try {
    pqxx::connection connection(url);
    pqxx::nontransaction transaction(connection);
    body(transaction);
    return absl::OkStatus();
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
}

}  // namespace

absl::StatusOr<DatabaseCounts> DatabaseMeter::Read() const {
  DatabaseCounts counts;
  PADDOCK_RETURN_IF_ERROR(WithDatabase(url_, [&](pqxx::nontransaction& transaction) {
    const pqxx::row row = transaction.exec1(
        "SELECT d.xact_commit, w.wal_bytes::bigint, w.wal_sync FROM pg_stat_database d, "
        "pg_stat_wal w WHERE d.datname = current_database()");
    counts.commits = row[0].as<int64_t>();
    counts.wal_bytes = row[1].as<int64_t>();
    counts.wal_syncs = row[2].as<int64_t>();
  }));
  return counts;
}

absl::StatusOr<std::string> DatabaseMeter::Setting(const std::string& name) const {
  std::string value;
  PADDOCK_RETURN_IF_ERROR(WithDatabase(url_, [&](pqxx::nontransaction& transaction) {
    value = transaction.exec_params1("SELECT current_setting($1)", name)[0].as<std::string>();
  }));
  return value;
}

absl::Status DatabaseMeter::ResetStatements() const {
  return WithDatabase(url_, [](pqxx::nontransaction& transaction) {
    transaction.exec("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    transaction.exec("SELECT pg_stat_statements_reset()");
  });
}

absl::StatusOr<std::vector<StatementCost>> DatabaseMeter::Statements(int limit) const {
  std::vector<StatementCost> costs;
  PADDOCK_RETURN_IF_ERROR(WithDatabase(url_, [&](pqxx::nontransaction& transaction) {
    for (const pqxx::row& row : transaction.exec_params(
             "SELECT regexp_replace(query, '\\s+', ' ', 'g'), calls, total_exec_time + "
             "total_plan_time FROM pg_stat_statements ORDER BY 3 DESC LIMIT $1",
             limit)) {
      costs.push_back({row[0].as<std::string>(), row[1].as<int64_t>(), row[2].as<double>()});
    }
  }));
  return costs;
}

}  // namespace paddock::bench
