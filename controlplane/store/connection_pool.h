#pragma once

#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controlplane/store/connection_watch.h"

namespace paddock {

struct PoolOptions {
  std::string url;  // Any form that libpq takes.
  int size = 16;
  // How long a transaction waits for a connection.
  absl::Duration acquire_timeout = absl::Seconds(5);
  absl::Duration statement_timeout = absl::Seconds(15);
  absl::Duration lock_timeout = absl::Seconds(10);
  absl::Duration connect_timeout = absl::Seconds(3);
  // A server that leaves the simplest question unanswered for so long hangs.
  absl::Duration silence = absl::Seconds(2);
};

// A bounded number of database connections, opened when needed, each used by one transaction at a
// time. A statement that has no answer after statement_timeout (which a healthy server enforces)
// and a little ends with a broken connection. Thread-safe.
class ConnectionPool {
 public:
  struct Connection {
    std::unique_ptr<pqxx::connection> connection;
    // Statements are prepared when they are first used; their addresses are kept.
    absl::flat_hash_set<const void*> prepared;
    // Gone before the connection is.
    std::unique_ptr<ConnectionWatch::Watched> watched;
  };

  // Gives its connection back when destroyed. Movable.
  class Lease {
   public:
    Lease(ConnectionPool* pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection& get() { return *connection_; }
    // It saw an error: it is closed, not used again.
    void Discard() { healthy_ = false; }
    // It broke: so are the idle ones, most likely; they are closed too.
    void DiscardAll();

   private:
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
    bool healthy_ = true;
  };

  explicit ConnectionPool(PoolOptions options);

  // RESOURCE_EXHAUSTED when none is free in time, UNAVAILABLE when the database can't be reached or
  // hangs.
  absl::StatusOr<Lease> Acquire();

  // A connection beside the pool's own, whose questions have PoolOptions::silence for their answer.
  absl::StatusOr<std::unique_ptr<Connection>> OpenForProbes() { return Open(options_.silence); }

  // The server hangs: idle connections are closed, what waits for an answer has
  // PoolOptions::silence in all, Acquire refuses. Or it answers again. Idempotent.
  void SetSilent(bool silent);

  // For metrics.
  int in_use() const;
  int waiting() const;
  int size() const { return options_.size; }

 private:
  absl::StatusOr<std::unique_ptr<Connection>> Open(absl::Duration limit);
  void Return(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> TakeIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoomOrNoHope() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return silent_ || in_use_ < options_.size;
  }

  const PoolOptions options_;
  ConnectionWatch watch_;
  mutable absl::Mutex mutex_;
  bool silent_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int in_use_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace paddock
