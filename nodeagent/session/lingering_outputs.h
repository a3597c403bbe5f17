#pragma once

#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/system/poll_loop.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Output pipes that background processes of finished commands still hold. They are kept open and
// emptied, or those processes would die of SIGPIPE or block; slowly, so that a sandbox can't buy
// the agent's CPU with it. Thread-safe.
class LingeringOutputs {
 public:
  static constexpr absl::Duration kInterval = absl::Milliseconds(250);
  static constexpr size_t kBytesPerInterval = 1024 * 1024;
  // More of one session are closed, the oldest first.
  static constexpr size_t kMaxPerSession = 64;

  explicit LingeringOutputs(PollLoop* loop);
  ~LingeringOutputs();

  void Add(const std::string& session_id, ExecStreams streams);
  void Drop(const std::string& session_id);

 private:
  // Shared with the timer's callback, which may outlive this.
  struct State {
    absl::Mutex mutex;
    bool ended ABSL_GUARDED_BY(mutex) = false;
    bool scheduled ABSL_GUARDED_BY(mutex) = false;
    absl::flat_hash_map<std::string, std::list<UniqueFd>> outputs ABSL_GUARDED_BY(mutex);
  };
  static void Schedule(PollLoop* loop, const std::shared_ptr<State>& state)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex);
  static void Empty(PollLoop* loop, const std::shared_ptr<State>& state);

  PollLoop* const loop_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace paddock::nodeagent
