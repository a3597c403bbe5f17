#include "controlplane/core/phase_waiter.h"

#include <utility>

namespace paddock {

PhaseWaiter::PhaseWaiter(const Deps& deps, Session session, Predicate reached, Callback callback)
    : deps_(deps),
      reached_(std::move(reached)),
      session_(std::move(session)),
      callback_(std::move(callback)) {}

void PhaseWaiter::Begin(absl::Duration wait) {
  Session session;
  {
    absl::MutexLock lock(&mutex_);
    session = session_;
  }
  if (reached_(session.state) || wait <= absl::ZeroDuration()) {
    Answer(std::move(session));
    return;
  }
  deps_.timers->After(wait, [weak = weak_from_this()] {
    std::shared_ptr<PhaseWaiter> self = weak.lock();
    if (self == nullptr) return;
    self->deps_.executor->Run([self] { self->TimeIsOver(); });
  });
}

void PhaseWaiter::Learn(const TransitionResult& result) {
  Session session;
  {
    absl::MutexLock lock(&mutex_);
    if (!result.exists || result.revision < session_.revision) return;
    session_.state = result.phase;
    session_.generation = result.generation;
    session_.revision = result.revision;
    session_.reason = result.reason;
    session_.message = result.message;
    session_.updated_at = result.updated_at;
    session_.started_at = result.started_at;
    session_.ended_at = result.ended_at;
    session_.exit_code = result.exit_code;
    session = session_;
  }
  if (reached_(session.state)) Answer(std::move(session));
}

void PhaseWaiter::Watch() {
  int64_t seen = 0;
  std::string id;
  {
    absl::MutexLock lock(&mutex_);
    if (callback_ == nullptr || subscription_ != nullptr) return;
    seen = session_.revision;
    id = session_.id.value();
  }
  std::unique_ptr<Subscription> subscription =
      deps_.hub->Subscribe(WatchKind::kSession, id, seen,
                           [self = shared_from_this()](int64_t) { return self->Reload(); });
  absl::MutexLock lock(&mutex_);
  if (callback_ != nullptr) {
    subscription_ = std::move(subscription);
    return;
  }
  // It has answered meanwhile; this may be one of the hub's own threads.
  deps_.executor->Run([gone = std::shared_ptr<Subscription>(std::move(subscription))] {});
}

int64_t PhaseWaiter::Reload() {
  Tenant tenant;
  SessionId id;
  int64_t seen = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (callback_ == nullptr) return WatchHub::kEnd;
    tenant = session_.tenant;
    id = session_.id;
    seen = session_.revision;
  }
  absl::StatusOr<Session> session = deps_.store->Get(tenant, id);
  if (!session.ok()) {
    if (!absl::IsNotFound(session.status())) return seen;
    Answer(session.status());
    return WatchHub::kEnd;
  }
  seen = session->revision;
  if (!reached_(session->state)) {
    absl::MutexLock lock(&mutex_);
    if (session->revision > session_.revision) session_ = *std::move(session);
    return seen;
  }
  Answer(*std::move(session));
  return WatchHub::kEnd;
}

void PhaseWaiter::TimeIsOver() {
  Session session;
  {
    absl::MutexLock lock(&mutex_);
    if (callback_ == nullptr) return;
    session = session_;
  }
  absl::StatusOr<Session> now = deps_.store->Get(session.tenant, session.id);
  if (now.ok() || absl::IsNotFound(now.status())) {
    Answer(std::move(now));
  } else {
    Answer(std::move(session));
  }
}

void PhaseWaiter::Answer(absl::StatusOr<Session> session) {
  Callback callback;
  std::shared_ptr<Subscription> subscription;
  {
    absl::MutexLock lock(&mutex_);
    callback = std::move(callback_);
    callback_ = nullptr;
    subscription = std::move(subscription_);
  }
  if (callback == nullptr) return;
  // A subscription can't be destroyed by its own watcher.
  if (subscription != nullptr) deps_.executor->Run([gone = std::move(subscription)] {});
  callback(std::move(session));
}

}  // namespace paddock
