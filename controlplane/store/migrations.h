#pragma once

#include <pqxx/pqxx>
#include <string>
#include <vector>

namespace paddock {

// One step of the schema. Append-only: what was released is never changed.
struct Migration {
  int number = 0;
  std::string name;
  std::string sql;
};

// In the order of their numbers, from 1 without gaps.
const std::vector<Migration>& EmbeddedMigrations();

// Applies what is missing, all in one transaction, under a lock that other replicas wait for. A
// database that is ahead of this binary is left as it is (a newer replica upgraded it). Throws what
// pqxx throws; answers the number applied.
int ApplyMigrations(pqxx::connection& connection, const std::vector<Migration>& migrations);

}  // namespace paddock
