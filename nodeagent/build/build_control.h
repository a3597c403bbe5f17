#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/session/exec_process.h"

namespace paddock::nodeagent {

// Ends a build from outside, at whatever point it is. Thread-safe.
class BuildControl {
 public:
  // Ends the command that runs, and lets no other begin. Doesn't wait.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The command that runs now, null between two. One that comes after Cancel is ended at once.
  void SetProcess(const std::shared_ptr<ExecProcess>& process) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<ExecProcess> process_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
