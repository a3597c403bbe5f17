#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/core/change_store.h"
#include "controlplane/store/sql.h"

namespace paddock {

// ChangeStore on PostgreSQL. Thread-safe.
class PgChangeStore : public ChangeStore {
 public:
  PgChangeStore(const Sql* sql, absl::Duration not_ready_after)
      : sql_(sql), not_ready_after_(not_ready_after) {}

  absl::StatusOr<Tail> ReadTail(int64_t position) override;
  absl::StatusOr<std::map<std::string, State>> States(WatchKind kind,
                                                      const std::vector<std::string>& ids) override;

 private:
  const Sql* const sql_;
  const absl::Duration not_ready_after_;
};

}  // namespace paddock
