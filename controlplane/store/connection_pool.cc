#include "controlplane/store/connection_pool.h"

#include <poll.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/await_for.h"
#include "common/errors.h"
#include "common/log.h"

namespace paddock {
namespace {

// What a healthy server may need beyond its statement_timeout to say so.
constexpr absl::Duration kAnswerSlack = absl::Seconds(5);

// `url` with our client-side settings; those that it has itself win, as libpq takes the last one
// only in the keyword form, hence ours go first there.
std::string WithSettings(const PoolOptions& options) {
  const int64_t seconds = absl::ToInt64Seconds(options.connect_timeout);
  const int64_t user_timeout = absl::ToInt64Milliseconds(options.statement_timeout) * 2;
  if (absl::StartsWith(options.url, "postgres://") ||
      absl::StartsWith(options.url, "postgresql://")) {
    return absl::StrCat(options.url, absl::StrContains(options.url, '?') ? "&" : "?",
                        "connect_timeout=", seconds, "&tcp_user_timeout=", user_timeout,
                        "&keepalives_idle=10&application_name=paddock&client_encoding=UTF8");
  }
  return absl::StrCat("connect_timeout=", seconds, " tcp_user_timeout=", user_timeout,
                      " keepalives_idle=10 application_name=paddock client_encoding=UTF8 ",
                      options.url);
}

std::string SessionSettings(const PoolOptions& options) {
  return absl::StrCat(
      "SET statement_timeout = ", absl::ToInt64Milliseconds(options.statement_timeout),
      "; SET lock_timeout = ", absl::ToInt64Milliseconds(options.lock_timeout),
      "; SET idle_in_transaction_session_timeout = ",
      absl::ToInt64Milliseconds(options.statement_timeout),
      "; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET "
      "default_transaction_isolation = 'read committed'; SET jit = off");
}

}  // namespace

ConnectionPool::Lease::~Lease() {
  if (connection_ == nullptr) return;
  pool_->Return(healthy_ ? std::move(connection_) : nullptr);
}

void ConnectionPool::Lease::DiscardAll() {
  Discard();
  std::vector<std::unique_ptr<Connection>> idle;
  absl::MutexLock lock(&pool_->mutex_);
  idle.swap(pool_->idle_);
}

ConnectionPool::ConnectionPool(PoolOptions options) : options_(std::move(options)) {}

absl::StatusOr<ConnectionPool::Lease> ConnectionPool::Acquire() {
  std::unique_ptr<Connection> connection;
  {
    absl::MutexLock lock(&mutex_);
    ++waiting_;
    const bool free = AwaitFor(&mutex_, absl::Condition(this, &ConnectionPool::HasRoomOrNoHope),
                               options_.acquire_timeout);
    --waiting_;
    if (silent_) return errors::DatabaseUnavailable();
    if (!free) return errors::Overloaded("the database connections", absl::Seconds(1));
    ++in_use_;
    connection = TakeIdle();
  }
  if (connection == nullptr) {
    absl::StatusOr<std::unique_ptr<Connection>> opened =
        Open(options_.statement_timeout + kAnswerSlack);
    if (!opened.ok()) {
      Return(nullptr);
      return opened.status();
    }
    connection = *std::move(opened);
  }
  connection->watched->Begin();
  return Lease(this, std::move(connection));
}

void ConnectionPool::SetSilent(bool silent) {
  std::vector<std::unique_ptr<Connection>> idle;
  watch_.SetCap(silent ? options_.silence : absl::InfiniteDuration());
  absl::MutexLock lock(&mutex_);
  silent_ = silent;
  if (silent) idle.swap(idle_);
}

absl::StatusOr<std::unique_ptr<ConnectionPool::Connection>> ConnectionPool::Open(
    absl::Duration limit) {
  try {
    auto connection = std::make_unique<Connection>();
    connection->connection = std::make_unique<pqxx::connection>(WithSettings(options_));
    // A connection that broke stays broken: a silent reconnect would lose the settings below.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    connection->connection->inhibit_reactivation(true);
#pragma GCC diagnostic pop
    connection->watched =
        std::make_unique<ConnectionWatch::Watched>(&watch_, connection->connection->sock(), limit);
    connection->watched->Begin();
    pqxx::nontransaction(*connection->connection).exec(SessionSettings(options_));
    connection->watched->Pause();
    return connection;
  } catch (const std::exception& e) {
    LogWarning("no connection to the database", {{"error", e.what()}});
    return errors::DatabaseUnavailable();
  }
}

// A server that went away has closed its end, which shows as something to read.
std::unique_ptr<ConnectionPool::Connection> ConnectionPool::TakeIdle() {
  while (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    pollfd socket = {connection->connection->sock(), POLLIN, 0};
    if (poll(&socket, 1, 0) == 0) return connection;
  }
  return nullptr;
}

void ConnectionPool::Return(std::unique_ptr<Connection> connection) {
  if (connection != nullptr) connection->watched->Pause();
  absl::MutexLock lock(&mutex_);
  --in_use_;
  if (connection != nullptr) idle_.push_back(std::move(connection));
}

int ConnectionPool::in_use() const {
  absl::MutexLock lock(&mutex_);
  return in_use_;
}

int ConnectionPool::waiting() const {
  absl::MutexLock lock(&mutex_);
  return waiting_;
}

}  // namespace paddock
