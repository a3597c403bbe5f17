#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/settings.h"
#include "controlplane/store/sql.h"

namespace paddock {

// Reads every node, several times a second: what a node says about itself is read only when its
// row has changed, and kept. Thread-safe.
class FleetReader {
 public:
  FleetReader(const Sql* sql, const Settings& settings) : sql_(sql), settings_(settings) {}

  absl::StatusOr<std::vector<Node>> ReadAll();

 private:
  struct Description {
    std::string version;  // Of the row: the transaction that wrote it.
    Node node;            // As far as it is described by `nodes`.
  };
  // Without the lock, which isn't held while the database is asked.
  absl::StatusOr<std::vector<Node>> ReadIn(Transaction& transaction) ABSL_LOCKS_EXCLUDED(mutex_);
  // Those of the rows' nodes whose description isn't known, or has changed.
  std::vector<std::string> Unknown(const pqxx::result& rows) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(const pqxx::result& descriptions) ABSL_LOCKS_EXCLUDED(mutex_);

  const Sql* const sql_;
  const Settings settings_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Description> descriptions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock
