#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/core/settings.h"
#include "controlplane/core/stores.h"
#include "controlplane/store/connection_pool.h"
#include "controlplane/store/sql.h"

namespace paddock {

// All stores of one PostgreSQL database. Thread-safe; owns its connections.
class Database {
 public:
  // Connects, brings the schema up to date, checks that the database stores UTF-8. UNAVAILABLE when
  // it can't be reached, FAILED_PRECONDITION when it can't serve.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const PoolOptions& options,
                                                        const Settings& settings);
  ~Database();

  // Valid as long as this object.
  const Stores& stores() const { return stores_; }

  // For a DatabaseMonitor.
  ConnectionPool* pool() { return &pool_; }

  // For metrics.
  int connections_in_use() const { return pool_.in_use(); }
  int connections_waiting() const { return pool_.waiting(); }

 private:
  struct Implementations;

  Database(const PoolOptions& options, const Settings& settings);
  absl::Status Migrate();

  ConnectionPool pool_;
  Sql sql_;
  std::unique_ptr<Implementations> implementations_;
  Stores stores_;
};

}  // namespace paddock
