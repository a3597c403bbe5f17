#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/session/egress_reader.h"
#include "nodeagent/session/serial_executor.h"

namespace paddock::nodeagent {

// Somebody who follows a session's events. Called by one thread at a time; must not block.
class EgressWatcher {
 public:
  virtual ~EgressWatcher() = default;
  // Whether it has dealt with what it was given: only then it is given more.
  virtual bool Ready() = 0;
  virtual void OnEvents(std::vector<EgressEvent> events) = 0;
  // The session has ended and everything was told. Nothing follows.
  virtual void OnEnd(const absl::Status& status) = 0;
};

// Reads events on a few threads of its own: for callers that must not block, and for watchers,
// which hold no thread between two looks at the gateway process. Thread-safe.
class EgressFeed {
 public:
  using ListDone = std::function<void(absl::StatusOr<EgressPage>)>;

  // `reader` must outlive it. A watcher hears of an event after `interval` at most.
  explicit EgressFeed(const EgressReader* reader,
                      absl::Duration interval = absl::Milliseconds(200));

  // EgressReader::ReadBefore; `done` is called once, unless the feed ends before.
  void List(const std::string& session_id, int64_t generation, int64_t before_sequence, int limit,
            ListDone done);
  // What is kept, then what comes, until OnEnd or until the watcher is gone.
  void Watch(const std::string& session_id, int64_t generation, int64_t after_sequence,
             std::weak_ptr<EgressWatcher> watcher);

 private:
  struct Following {
    std::string session_id;
    int64_t generation = 0;
    int64_t after_sequence = 0;
    std::weak_ptr<EgressWatcher> watcher;
  };

  void Look(const std::shared_ptr<Following>& following);
  // Whether there is more to tell at once; nullopt when nothing follows.
  std::optional<bool> Tell(Following* following, EgressWatcher* watcher);

  const EgressReader* const reader_;
  const absl::Duration interval_;
  SerialExecutor executor_;  // Last: its threads use the rest.
};

}  // namespace paddock::nodeagent
