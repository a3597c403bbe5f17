#include "nodeagent/api/watch_egress_reactor.h"

#include <algorithm>
#include <utility>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "nodeagent/api/egress_conversions.h"

namespace paddock::nodeagent {

WatchEgressReactor* WatchEgressReactor::Start(
    const absl::Status& admitted, EgressFeed* feed,
    const internal::v1::NodeListEgressEventsRequest& request,
    std::function<void(absl::StatusCode)> on_done) {
  std::shared_ptr<WatchEgressReactor> reactor(new WatchEgressReactor(std::move(on_done)));
  reactor->self_ = reactor;
  if (admitted.ok()) {
    feed->Watch(request.session_id(), request.generation(), request.after_sequence(), reactor);
  } else {
    reactor->OnEnd(admitted);
  }
  return reactor.get();
}

bool WatchEgressReactor::Ready() {
  absl::MutexLock lock(&mutex_);
  return !writing_ && waiting_.empty() && !ending_.has_value();
}

void WatchEgressReactor::OnEvents(std::vector<EgressEvent> events) {
  absl::MutexLock lock(&mutex_);
  if (ending_.has_value()) return;
  std::reverse(events.begin(), events.end());
  waiting_ = std::move(events);
  WriteNext();
}

void WatchEgressReactor::OnEnd(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  End(status);
}

void WatchEgressReactor::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) {
    waiting_.clear();
    return End(errors::Cancelled());
  }
  WriteNext();
  FinishIfIdle();
}

void WatchEgressReactor::OnCancel() {
  absl::MutexLock lock(&mutex_);
  waiting_.clear();
  End(errors::Cancelled());
}

void WatchEgressReactor::OnDone() {
  const std::shared_ptr<WatchEgressReactor> self = std::move(self_);
  absl::StatusCode code;
  {
    absl::MutexLock lock(&mutex_);
    code = ending_->code();
  }
  if (on_done_) on_done_(code);
}

void WatchEgressReactor::WriteNext() {
  if (writing_ || finished_ || waiting_.empty()) return;
  writing_ = true;
  response_.Clear();
  EventToProto(waiting_.back(), &response_);
  waiting_.pop_back();
  // Only queues: gRPC calls back on another thread.
  StartWrite(&response_);
}

void WatchEgressReactor::End(const absl::Status& status) {
  if (!ending_.has_value()) ending_ = status;
  FinishIfIdle();
}

void WatchEgressReactor::FinishIfIdle() {
  if (writing_ || finished_ || !waiting_.empty() || !ending_.has_value()) return;
  finished_ = true;
  Finish(ToGrpcStatus(*ending_));
}

}  // namespace paddock::nodeagent
