#include "common/health_service.h"

#include <utility>

namespace paddock {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch stream. Its fields are guarded by the service's mutex, under which StartWrite and
// Finish are called too: they only queue, and never call back in the same thread.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watcher(HealthService* owner, std::string service)
      : owner_(owner), service_(std::move(service)) {}

  // Tells the analysis that the owner's mutex is the one that its methods hold.
  void AssertLocked() const ABSL_ASSERT_EXCLUSIVE_LOCK(owner_->mutex_) {
    owner_->mutex_.AssertHeld();
  }

  // Writes the present status unless it was written last or a write is under way.
  void Push() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_->mutex_) {
    if (writing_ || finished_) return;
    const Status now = owner_->Get(service_);
    if (now != sent_) {
      sent_ = now;
      writing_ = true;
      response_.set_status(now);
      StartWrite(&response_);
    } else if (owner_->ended_) {
      End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"));
    }
  }

  void End(grpc::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_->mutex_) {
    if (finished_) return;
    finished_ = true;
    Finish(std::move(status));
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&owner_->mutex_);
    writing_ = false;
    if (!ok) return End(grpc::Status::CANCELLED);
    Push();
  }
  void OnCancel() override {
    absl::MutexLock lock(&owner_->mutex_);
    End(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    owner_->Remove(this);
    delete this;
  }

 private:
  HealthService* const owner_;
  const std::string service_;
  HealthCheckResponse response_;
  Status sent_ = HealthCheckResponse::UNKNOWN;
  bool writing_ = false;
  bool finished_ = false;
};

HealthService::~HealthService() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](std::set<Watcher*>* watchers) { return watchers->empty(); }, &watchers_));
}

void HealthService::Set(const std::string& service, bool serving) {
  absl::MutexLock lock(&mutex_);
  if (ended_) return;
  serving_[service] = serving;
  Notify();
}

void HealthService::SetAll(bool serving) {
  absl::MutexLock lock(&mutex_);
  if (ended_) return;
  for (auto& entry : serving_) entry.second = serving;
  Notify();
}

void HealthService::Shutdown() {
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  for (auto& entry : serving_) entry.second = false;
  Notify();
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  absl::MutexLock lock(&mutex_);
  const Status status = Get(request->service());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "unknown service"));
  } else {
    response->set_status(status);
    reactor->Finish(grpc::Status::OK);
  }
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request) {
  auto* watcher = new Watcher(this, request->service());
  absl::MutexLock lock(&mutex_);
  watcher->AssertLocked();
  const bool full = watchers_.size() >= kMaxWatchers;
  watchers_.insert(watcher);
  if (full) {
    watcher->End(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many health watchers"));
  } else {
    watcher->Push();
  }
  return watcher;
}

HealthService::Status HealthService::Get(const std::string& service) const {
  const auto found = serving_.find(service);
  if (found == serving_.end()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return found->second ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void HealthService::Remove(Watcher* watcher) {
  absl::MutexLock lock(&mutex_);
  watchers_.erase(watcher);
}

void HealthService::Notify() {
  for (Watcher* watcher : watchers_) {
    watcher->AssertLocked();
    watcher->Push();
  }
}

}  // namespace paddock
