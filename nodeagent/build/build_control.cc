#include "nodeagent/build/build_control.h"

#include <utility>

#include "common/errors.h"

namespace paddock::nodeagent {

void BuildControl::Cancel() {
  std::shared_ptr<ExecProcess> process;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    process = process_;
  }
  if (process != nullptr) process->Cancel(errors::Cancelled());
}

bool BuildControl::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

void BuildControl::SetProcess(const std::shared_ptr<ExecProcess>& process) {
  bool end;
  {
    absl::MutexLock lock(&mutex_);
    end = cancelled_ && process != nullptr;
    process_ = process;
  }
  if (end) process->Cancel(errors::Cancelled());
}

}  // namespace paddock::nodeagent
