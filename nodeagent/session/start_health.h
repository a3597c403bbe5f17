#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace paddock::nodeagent {

// Whether this node can start sandboxes at all. Starts that fail one after the other may be the
// sessions' fault, so a throwaway container decides; while that fails too, the node takes no work
// and says why, and it is tried again in each round. Thread-safe, but for Check.
class StartHealth {
 public:
  // So many failures in a row raise the suspicion.
  static constexpr int kSuspicious = 3;

  // `prove`: OK if a sandbox starts here; blocks.
  explicit StartHealth(std::function<absl::Status()> prove) : prove_(std::move(prove)) {}

  // A session runs.
  void Started();
  // A session's start failed for no reason that the session names.
  void Failed();
  // Proves it where there is a suspicion. From one thread; blocks for as long as a start.
  void Check();
  // Empty: the node can start sandboxes, as far as is known.
  std::string not_schedulable_reason() const;

 private:
  const std::function<absl::Status()> prove_;
  mutable absl::Mutex mutex_;
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string reason_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
