#include "controlplane/core/layer_build.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace paddock {
namespace {

constexpr absl::Duration kFlushDelay = absl::Milliseconds(200);
constexpr size_t kFlushLines = 500;
// An image that starts anew joins the build again within that time.
constexpr absl::Duration kRecheckDelay = absl::Milliseconds(500);
constexpr size_t kMaxLineBytes = 4096;
// The node's own time-out tells more than ours.
constexpr absl::Duration kDeadlineGrace = absl::Minutes(1);
constexpr char kDropped[] = "(the rest of this log is not kept)";

// At a boundary of UTF-8.
void Truncate(std::string* line) {
  if (line->size() <= kMaxLineBytes) return;
  size_t end = kMaxLineBytes;
  while (end > 0 && (static_cast<unsigned char>((*line)[end]) & 0xc0) == 0x80) --end;
  line->resize(end);
  line->append("…");
}

}  // namespace

LayerBuild::LayerBuild(const Deps& deps, NodeTarget node, LayerOrder order, absl::Duration lease,
                       Done done)
    : deps_(deps),
      node_(std::move(node)),
      order_(std::move(order)),
      lease_(lease),
      done_(std::move(done)),
      begun_(deps.clock->Monotonic()),
      renewed_at_(begun_) {}

void LayerBuild::Start() {
  const std::shared_ptr<LayerBuild> self = shared_from_this();
  std::shared_ptr<NodeCall> call = deps_.client->BuildLayer(
      node_, order_, order_.timeout + kDeadlineGrace,
      [self](std::string line) { self->OnLine(std::move(line)); },
      [self](absl::StatusOr<BuildOutcome> outcome) {
        self->deps_.executor->Run([self, outcome = std::move(outcome)] { self->Finish(outcome); });
      });
  bool stopped = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_) call_ = call;
    stopped = ending_ != Ending::kAnswered;
  }
  if (stopped) call->Cancel();
  RenewLater();
}

void LayerBuild::Recheck() {
  deps_.timers->After(kRecheckDelay, [weak = weak_from_this()] {
    const std::shared_ptr<LayerBuild> self = weak.lock();
    if (self != nullptr) self->deps_.executor->Run([self] { self->Renew(); });
  });
}

void LayerBuild::RenewLater() {
  deps_.timers->After(lease_ / 4, [weak = weak_from_this()] {
    const std::shared_ptr<LayerBuild> self = weak.lock();
    if (self == nullptr) return;
    self->deps_.executor->Run([self] {
      self->Renew();
      absl::MutexLock lock(&self->mutex_);
      if (!self->ended_) self->RenewLater();
    });
  });
}

void LayerBuild::Renew() {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_ || ending_ != Ending::kAnswered) return;
  }
  const absl::Duration now = deps_.clock->Monotonic();
  const absl::StatusOr<ImageStore::Renewal> renewal =
      deps_.store->Renew(order_.cache_key, order_.build_id, lease_);
  if (!renewal.ok()) {
    absl::Duration renewed_at;
    {
      absl::MutexLock lock(&mutex_);
      renewed_at = renewed_at_;
    }
    // Well before anybody else can have it.
    if (deps_.clock->Monotonic() - renewed_at >= lease_ * 2 / 3) Stop(Ending::kLost);
    return;
  }
  if (!renewal->held) return Stop(Ending::kLost);
  if (!renewal->needed) return Stop(Ending::kUnneeded);
  deps_.metrics->CountRenewal();
  absl::MutexLock lock(&mutex_);
  renewed_at_ = now;
}

void LayerBuild::Stop(Ending ending) {
  std::shared_ptr<NodeCall> call;
  {
    absl::MutexLock lock(&mutex_);
    if (ended_ || ending_ != Ending::kAnswered) return;
    ending_ = ending;
    call = call_;
  }
  LogInfo("build cancelled", {{"build_id", order_.build_id},
                              {"node_id", node_.id.value()},
                              {"lease_lost", ending == Ending::kLost}});
  if (call != nullptr) call->Cancel();
}

void LayerBuild::OnLine(std::string line) {
  Truncate(&line);
  absl::Duration delay = kFlushDelay;
  {
    absl::MutexLock lock(&mutex_);
    ++seen_;
    bytes_ += line.size();
    const bool full = seen_ > kMaxLogLines || bytes_ > kMaxLogBytes;
    if (full && seen_ > kMaxLogLines + 1) return;
    if (full) {
      line = kDropped;
      seen_ = kMaxLogLines + 1;
    }
    lines_.push_back(std::move(line));
    if (flush_planned_ && lines_.size() != kFlushLines) return;
    if (lines_.size() >= kFlushLines) delay = absl::ZeroDuration();
    flush_planned_ = true;
  }
  if (delay == absl::ZeroDuration()) return FlushOnExecutor();
  deps_.timers->After(delay, [weak = weak_from_this()] {
    if (const std::shared_ptr<LayerBuild> self = weak.lock()) self->FlushOnExecutor();
  });
}

void LayerBuild::FlushOnExecutor() {
  deps_.executor->Run([self = shared_from_this()] { self->Flush(); });
}

// One at a time, so that lines keep their order.
void LayerBuild::Flush() {
  std::vector<std::string> lines;
  int64_t first = 0;
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &LayerBuild::NotFlushing));
    flush_planned_ = false;
    if (lines_.empty() || ending_ == Ending::kLost) return;
    flushing_ = true;
    lines.swap(lines_);
    first = stored_ + 1;
    stored_ += static_cast<int64_t>(lines.size());
  }
  const absl::StatusOr<std::vector<EnvironmentId>> watched =
      deps_.store->AppendLog(order_.cache_key, order_.build_id, first, lines);
  {
    absl::MutexLock lock(&mutex_);
    flushing_ = false;
  }
  if (!watched.ok()) {
    LogWarning("build log not stored",
               {{"build_id", order_.build_id}, {"error", watched.status().ToString()}});
    return;
  }
  for (const EnvironmentId& id : *watched) deps_.hub->Notify(WatchKind::kEnvironment, id.value());
}

void LayerBuild::Finish(absl::StatusOr<BuildOutcome> outcome) {
  Flush();
  Ending ending = Ending::kAnswered;
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    call_ = nullptr;
    // A result that came in spite of a cancel is as good as any.
    ending = ending_ == Ending::kUnneeded && outcome.ok() ? Ending::kAnswered : ending_;
  }
  done_(ending, std::move(outcome));
}

}  // namespace paddock
