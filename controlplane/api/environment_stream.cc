#include "controlplane/api/environment_stream.h"

#include <utility>
#include <variant>

#include "common/errors.h"
#include "controlplane/api/environment_convert.h"

namespace paddock {
namespace {

// A database that is away for a moment ends no watch.
constexpr absl::Duration kAskAgainAfter = absl::Seconds(1);

v1::WatchEnvironmentResponse ResponseOf(const EnvironmentFeed::Event& event) {
  v1::WatchEnvironmentResponse response;
  if (const auto* environment = std::get_if<Environment>(&event)) {
    *response.mutable_environment() = ToProto(*environment);
  } else {
    const auto& line = std::get<BuildLogLine>(event);
    response.mutable_log()->set_manager(line.manager);
    response.mutable_log()->set_line(line.line);
  }
  return response;
}

}  // namespace

EnvironmentStream* EnvironmentStream::Start(grpc::CallbackServerContext* context,
                                            const v1::WatchEnvironmentRequest& request,
                                            Dispatcher* dispatcher, DrainGroup* group,
                                            TimerQueue* timers, EnvironmentFeeds* feeds) {
  std::shared_ptr<EnvironmentStream> stream(new EnvironmentStream(
      dispatcher->Record("WatchEnvironment"), dispatcher->pool(), group, timers));
  {
    absl::MutexLock lock(&stream->mutex_);
    stream->self_ = stream;
  }
  if (!group->Add(stream.get())) {
    stream->End(errors::Overloaded("watches", absl::Seconds(5)));
    return stream.get();
  }
  dispatcher->Admit(context, request, Access::kWorkspace,
                    [stream, feeds, id = EnvironmentId(request.environment_id()),
                     after = request.after_revision()](const absl::StatusOr<Principal>& caller) {
                      stream->Open(caller, feeds, id, after);
                    });
  return stream.get();
}

void EnvironmentStream::Open(const absl::StatusOr<Principal>& caller, EnvironmentFeeds* feeds,
                             const EnvironmentId& id, int64_t after_revision) {
  if (!caller.ok()) return End(caller.status());
  absl::StatusOr<EnvironmentFeeds::Watch> watch =
      feeds->Open(caller->tenant, id, after_revision, [weak = weak_from_this()] {
        if (const std::shared_ptr<EnvironmentStream> stream = weak.lock()) stream->Wake();
      });
  if (!watch.ok()) return End(watch.status());
  // Declared in this order: a subscription that comes too late ends before its feed.
  std::shared_ptr<EnvironmentFeed> feed = std::move(watch->feed);
  std::unique_ptr<Subscription> subscription = std::move(watch->subscription);
  absl::MutexLock lock(&mutex_);
  // The call may be over already.
  if (self_ == nullptr) return;
  feed_ = std::move(feed);
  subscription_ = std::move(subscription);
  Continue();
}

void EnvironmentStream::Ask(const std::shared_ptr<EnvironmentFeed>& feed) {
  const absl::StatusOr<EnvironmentFeed::Part> part = feed->Next();
  const bool passes_by =
      absl::IsUnavailable(part.status()) || absl::IsResourceExhausted(part.status());
  absl::MutexLock lock(&mutex_);
  asking_ = false;
  if (passes_by) {
    WakeLater();
  } else if (!part.ok()) {
    if (!ending_.has_value()) ending_ = part.status();
  } else if (!ending_.has_value()) {
    for (const EnvironmentFeed::Event& event : part->events) queue_.push_back(ResponseOf(event));
    woken_ = woken_ || part->more;
  }
  Continue();
}

void EnvironmentStream::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
  Continue();
}

void EnvironmentStream::WakeLater() {
  timers_->After(kAskAgainAfter, [weak = weak_from_this()] {
    if (const std::shared_ptr<EnvironmentStream> stream = weak.lock()) stream->Wake();
  });
}

void EnvironmentStream::Continue() {
  if (writing_ || finished_) return;
  if (!queue_.empty()) {
    writing_ = true;
    StartWrite(&queue_.front());
  } else if (ending_.has_value()) {
    finished_ = true;
    Finish(record_.Finish(*ending_));
  } else if (woken_ && !asking_ && feed_ != nullptr) {
    woken_ = false;
    asking_ = true;
    pool_->Schedule([stream = shared_from_this(), feed = feed_] { stream->Ask(feed); });
  }
}

void EnvironmentStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  queue_.pop_front();
  if (!ok) {
    queue_.clear();
    if (!ending_.has_value()) ending_ = errors::Cancelled();
  }
  Continue();
}

void EnvironmentStream::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (!ending_.has_value()) ending_ = status;
  Continue();
}

void EnvironmentStream::EndNow(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  // The front one belongs to gRPC while it is written.
  if (queue_.size() > 1) queue_.erase(queue_.begin() + 1, queue_.end());
  if (!writing_) queue_.clear();
  if (!ending_.has_value()) ending_ = status;
  Continue();
}

void EnvironmentStream::Drain() { EndNow(errors::ShuttingDown()); }
void EnvironmentStream::OnCancel() { EndNow(errors::Cancelled()); }

void EnvironmentStream::OnDone() {
  group_->Remove(this);
  std::shared_ptr<EnvironmentStream> self;
  std::shared_ptr<EnvironmentFeed> feed;
  std::shared_ptr<Subscription> subscription;
  {
    absl::MutexLock lock(&mutex_);
    self = std::move(self_);
    self_ = nullptr;
    feed = std::move(feed_);
    feed_ = nullptr;
    subscription = std::move(subscription_);
  }
  // Ending a subscription may wait for the hub, so the pool does it; it uses the feed until then.
  if (subscription != nullptr) {
    pool_->Schedule([feed, gone = std::move(subscription)]() mutable { gone.reset(); });
  }
}

}  // namespace paddock
