#include "nodeagent/api/build_layer_reactor.h"

#include <utility>

#include "common/await_for.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"
#include "nodeagent/api/conversions.h"

namespace paddock::nodeagent {

namespace pb = internal::v1;

BuildLayerReactor::BuildLayerReactor(const absl::Status& admitted, LayerBuilder* builder,
                                     const pb::BuildLayerRequest& request,
                                     std::function<void(absl::StatusCode)> on_done)
    : on_done_(std::move(on_done)) {
  const absl::Status status = admitted.ok() ? Begin(builder, request) : admitted;
  // After a begin that worked the call may be over already; nothing of this is touched any more.
  if (!status.ok()) End(nullptr, status);
}

absl::Status BuildLayerReactor::Begin(LayerBuilder* builder, const pb::BuildLayerRequest& request) {
  PADDOCK_ASSIGN_OR_RETURN(BuildSpec spec, BuildSpecFromProto(request));
  return builder->Start(std::move(spec), control_, this);
}

bool BuildLayerReactor::OnLogLine(std::string line, absl::Duration patience) {
  mutex_.Lock();
  AwaitFor(&mutex_, absl::Condition(this, &BuildLayerReactor::HasRoom), patience);
  if (broken_ || queue_.size() >= kMaxQueued) {
    mutex_.Unlock();
    return false;
  }
  queue_.emplace_back().set_log_line(ReplaceInvalidUtf8(line));
  ContinueAndUnlock();
  return true;
}

void BuildLayerReactor::OnBuilt(const Layer& layer) {
  auto event = std::make_unique<pb::BuildLayerEvent>();
  LayerToProto(layer, event->mutable_built());
  End(std::move(event), absl::OkStatus());
}

void BuildLayerReactor::OnFailure(const BuildFailure& failure) {
  auto event = std::make_unique<pb::BuildLayerEvent>();
  FailureToProto(failure, event->mutable_failure());
  End(std::move(event), absl::OkStatus());
}

void BuildLayerReactor::End(std::unique_ptr<pb::BuildLayerEvent> last, const absl::Status& status) {
  mutex_.Lock();
  ended_ = true;
  final_ = status;
  if (last != nullptr && !broken_) queue_.push_back(std::move(*last));
  ContinueAndUnlock();
}

void BuildLayerReactor::ContinueAndUnlock() {
  if (writing_ || finished_) {
    mutex_.Unlock();
    return;
  }
  if (!queue_.empty() && !broken_) {
    writing_ = true;
    // A deque's front stays where it is while others are added behind it.
    const pb::BuildLayerEvent* const event = &queue_.front();
    mutex_.Unlock();
    StartWrite(event);
    return;
  }
  const bool finish = ended_;
  finished_ = finish;
  const grpc::Status status = ToGrpcStatus(final_);
  mutex_.Unlock();
  if (finish) Finish(status);
}

void BuildLayerReactor::OnWriteDone(bool ok) {
  mutex_.Lock();
  writing_ = false;
  if (!ok) broken_ = true;
  if (!queue_.empty()) queue_.pop_front();
  ContinueAndUnlock();
}

void BuildLayerReactor::OnCancel() {
  {
    absl::MutexLock lock(&mutex_);
    broken_ = true;
  }
  control_->Cancel();
}

void BuildLayerReactor::OnDone() {
  absl::StatusCode code;
  {
    absl::MutexLock lock(&mutex_);
    code = final_.code();
  }
  if (on_done_) on_done_(code);
  delete this;
}

}  // namespace paddock::nodeagent
