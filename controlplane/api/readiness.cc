#include "controlplane/api/readiness.h"

#include <utility>

#include "common/log.h"

namespace paddock {

Readiness::Readiness(TimerQueue* timers, ThreadPool* pool, absl::Duration every,
                     std::function<absl::Status()> probe, std::function<void(bool ready)> tell)
    : timers_(timers),
      pool_(pool),
      every_(every),
      probe_(std::move(probe)),
      tell_(std::move(tell)) {}

void Readiness::Start() {
  pool_->Schedule([this] { Ask(); });
}

void Readiness::Ask() {
  const absl::Status status = probe_();
  failures_ = status.ok() ? 0 : failures_ + 1;
  if (status.ok() && !ready_) {
    ready_ = true;
    LogInfo("ready");
    tell_(true);
  } else if (ready_ && failures_ >= kFailures) {
    ready_ = false;
    LogError("not ready", {{"error", status.message()}});
    tell_(false);
  }
  timers_->After(every_, [this] { Start(); });
}

}  // namespace paddock
