#include "controlplane/store/database_monitor.h"

#include <pthread.h>

#include <utility>

#include "common/await_for.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

constexpr absl::Duration kEvery = absl::Milliseconds(500);
// Refusals and broken connections show at once; what fails after so long had no answer.
constexpr absl::Duration kSilentFailure = absl::Seconds(1);

}  // namespace

DatabaseMonitor::DatabaseMonitor(ConnectionPool* pool, std::function<void(bool ready)> tell)
    : pool_(pool), tell_(std::move(tell)), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "db-monitor");
}

DatabaseMonitor::~DatabaseMonitor() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  thread_.join();
}

void DatabaseMonitor::Run() {
  while (true) {
    const absl::Duration begin = Clock::Real()->Monotonic();
    const absl::Status status = Ask();
    const absl::Duration took = Clock::Real()->Monotonic() - begin;
    absl::MutexLock lock(&mutex_);
    if (ending_) return;
    Note(status, took);
    if (AwaitFor(&mutex_, absl::Condition(&ending_), kEvery)) return;
  }
}

absl::Status DatabaseMonitor::Ask() {
  if (connection_ == nullptr) {
    PADDOCK_ASSIGN_OR_RETURN(connection_, pool_->OpenForProbes());
  }
  connection_->watched->Begin();
  try {
    pqxx::nontransaction(*connection_->connection).exec("SELECT 1");
  } catch (const std::exception& e) {
    connection_.reset();
    return absl::UnavailableError(e.what());
  }
  connection_->watched->Pause();
  return absl::OkStatus();
}

void DatabaseMonitor::Note(const absl::Status& status, absl::Duration took) {
  const bool silent = !status.ok() && took >= kSilentFailure;
  pool_->SetSilent(silent);
  failures_ = status.ok() ? 0 : failures_ + 1;
  const bool ready = status.ok() || (ready_ && !silent && failures_ < kFailures);
  if (ready == ready_) return;
  ready_ = ready;
  if (ready) LogInfo("ready");
  if (!ready) LogError("not ready", {{"error", status.message()}, {"silent", silent}});
  tell_(ready);
}

}  // namespace paddock
