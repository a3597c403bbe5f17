#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace paddock::bench {

// What a PostgreSQL server has done so far, by its own statistics.
struct DatabaseCounts {
  int64_t commits = 0;
  int64_t wal_bytes = 0;
  int64_t wal_syncs = 0;
};

// One kind of statement, by pg_stat_statements.
struct StatementCost {
  std::string text;
  int64_t calls = 0;
  double total_ms = 0;
};

// Reads a database's statistics. Not thread-safe.
class DatabaseMeter {
 public:
  explicit DatabaseMeter(std::string url) : url_(std::move(url)) {}

  absl::StatusOr<DatabaseCounts> Read() const;
  // The server's value of a setting.
  absl::StatusOr<std::string> Setting(const std::string& name) const;

  // Counts of statements begin anew. Needs the server to have loaded pg_stat_statements.
  absl::Status ResetStatements() const;
  // The `limit` most expensive kinds of statements since, nested ones included.
  absl::StatusOr<std::vector<StatementCost>> Statements(int limit) const;

 private:
  const std::string url_;
};

}  // namespace paddock::bench
