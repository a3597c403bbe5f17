#pragma once

#include <map>
#include <string>
#include <vector>

#include "controlplane/core/change_store.h"
#include "controlplane/store/sql.h"

namespace paddock {

// ChangeStore on PostgreSQL. Thread-safe.
class PgChangeStore : public ChangeStore {
 public:
  explicit PgChangeStore(const Sql* sql) : sql_(sql) {}

  absl::StatusOr<Tail> ReadTail(int64_t position) override;
  absl::StatusOr<std::map<std::string, int64_t>> Revisions(
      WatchKind kind, const std::vector<std::string>& ids) override;

 private:
  const Sql* const sql_;
};

}  // namespace paddock
