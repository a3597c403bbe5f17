#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/init/init_client.h"

namespace paddock::nodeagent {

// Whether the PID 1 of one sandbox answers, as far as the last commands have shown. Shared by the
// clients of a session; thread-safe.
class InitHealth {
 public:
  explicit InitHealth(std::string socket_path) : socket_path_(std::move(socket_path)) {}
  const std::string& socket_path() const { return socket_path_; }

  // Whether to ask PID 1. During a silence a request that starts nothing waits at PID 1 for an
  // answer; nobody waits for it, and once it is there PID 1 is asked again.
  bool ShouldAsk();
  // PID 1 didn't answer. True for the first time of a silence.
  bool OnSilence();

 private:
  void PutQuestion() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string socket_path_;
  absl::Mutex mutex_;
  bool silent_ ABSL_GUARDED_BY(mutex_) = false;
  UniqueFd question_ ABSL_GUARDED_BY(mutex_);
};

struct FallbackOptions {
  // How long PID 1 has for an answer; at most half of a command's time-out.
  absl::Duration patience = absl::Seconds(4);
  // Starts what PID 1 didn't.
  std::unique_ptr<InitClient> fallback;
  // Kills everything in the cgroup of this client's command, until nothing is left of it.
  std::function<absl::Status()> kill_command;
  // Told once for each silence, with what was wrong.
  std::function<void(const absl::Status&)> on_silence;
};

// Asks PID 1, and where it doesn't answer has the command started by the fallback. Never twice: a
// request that PID 1 may have taken is revoked first (its payload is emptied, and whoever had read
// it by then is in the command's cgroup and is killed with that); where that fails, or the command
// had begun, it is UNAVAILABLE and says so. One client a command, because of its cgroup.
std::unique_ptr<InitClient> MakeFallbackClient(std::shared_ptr<InitHealth> health,
                                               FallbackOptions options);

}  // namespace paddock::nodeagent
