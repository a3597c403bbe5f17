#include "controlplane/store/connection_watch.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "common/await_for.h"
#include "common/clock.h"

namespace paddock {
namespace {

constexpr absl::Duration kEvery = absl::Milliseconds(200);

}  // namespace

ConnectionWatch::Watched::Watched(ConnectionWatch* watch, int socket, absl::Duration limit)
    : watch_(watch), socket_(fcntl(socket, F_DUPFD_CLOEXEC, 0)), limit_(limit) {
  absl::MutexLock lock(&watch_->mutex_);
  watch_->watched_.insert(this);
}

ConnectionWatch::Watched::~Watched() {
  {
    absl::MutexLock lock(&watch_->mutex_);
    watch_->watched_.erase(this);
  }
  if (socket_ >= 0) close(socket_);
}

void ConnectionWatch::Watched::Begin() {
  since_ = absl::ToInt64Nanoseconds(Clock::Real()->Monotonic());
}

void ConnectionWatch::Watched::EndIfSilent(absl::Duration cap) const {
  const int64_t since = since_;
  if (since == 0) return;
  const absl::Duration waited = Clock::Real()->Monotonic() - absl::Nanoseconds(since);
  if (waited >= std::min(limit_, cap)) shutdown(socket_, SHUT_RDWR);
}

ConnectionWatch::ConnectionWatch() : thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "db-watch");
}

ConnectionWatch::~ConnectionWatch() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  thread_.join();
}

void ConnectionWatch::SetCap(absl::Duration cap) {
  absl::MutexLock lock(&mutex_);
  cap_ = cap;
}

void ConnectionWatch::Run() {
  absl::MutexLock lock(&mutex_);
  while (!AwaitFor(&mutex_, absl::Condition(&ending_), kEvery)) {
    for (const Watched* watched : watched_) watched->EndIfSilent(cap_);
  }
}

}  // namespace paddock
