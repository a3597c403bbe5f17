#include "controlplane/store/migrations.h"

#include <set>

#include "common/log.h"

namespace paddock {
namespace {

// Any number that no other application on the same database uses.
constexpr char kLock[] = "SELECT pg_advisory_xact_lock(7221033580146)";

}  // namespace

int ApplyMigrations(pqxx::connection& connection, const std::vector<Migration>& migrations) {
  pqxx::work transaction(connection);
  // A long migration, or waiting for another replica's, is no reason to give up.
  transaction.exec0("SET LOCAL statement_timeout = 0");
  transaction.exec0("SET LOCAL lock_timeout = 0");
  transaction.exec(kLock);
  transaction.exec0(
      "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT "
      "NULL, applied_at timestamptz NOT NULL DEFAULT now())");
  std::set<int> applied;
  for (const pqxx::row& row : transaction.exec("SELECT number FROM schema_migrations")) {
    applied.insert(row[0].as<int>());
  }
  int count = 0;
  for (const Migration& migration : migrations) {
    if (applied.count(migration.number) > 0) continue;
    transaction.exec(migration.sql);
    transaction.exec_params("INSERT INTO schema_migrations (number, name) VALUES ($1, $2)",
                            migration.number, migration.name);
    LogInfo("migration applied", {{"name", migration.name}});
    ++count;
  }
  transaction.commit();
  return count;
}

}  // namespace paddock
