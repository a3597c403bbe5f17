#include "nodeagent/session/start_health.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"

namespace paddock::nodeagent {

void StartHealth::Started() {
  absl::MutexLock lock(&mutex_);
  failures_ = 0;
}

void StartHealth::Failed() {
  absl::MutexLock lock(&mutex_);
  ++failures_;
}

void StartHealth::Check() {
  {
    absl::MutexLock lock(&mutex_);
    if (failures_ < kSuspicious && reason_.empty()) return;
  }
  const absl::Status proof = prove_();
  absl::MutexLock lock(&mutex_);
  if (proof.ok()) {
    if (!reason_.empty()) LogInfo("sandboxes start again");
    failures_ = 0;
    reason_.clear();
    return;
  }
  if (reason_.empty()) {
    LogWarning("the node takes no work: no sandbox starts", {{"error", proof.ToString()}});
  }
  reason_ =
      absl::StrCat("STARTS_FAIL: ", failures_, " starts failed in a row, and so does one of a ",
                   "throwaway sandbox: ", proof.message());
}

std::string StartHealth::not_schedulable_reason() const {
  absl::MutexLock lock(&mutex_);
  return reason_;
}

}  // namespace paddock::nodeagent
