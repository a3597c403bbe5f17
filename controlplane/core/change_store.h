#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// What the watch hub reads. See store_types.h.
class ChangeStore {
 public:
  virtual ~ChangeStore() = default;

  struct Change {
    WatchKind kind = WatchKind::kSession;
    std::string id;
  };
  struct Tail {
    int64_t position = 0;
    std::vector<Change> changes;
  };
  // Changes after `position` and the position to go on from; with -1 only the position now. It may
  // miss some (a commit out of order, a crash): it wakes, the revisions tell.
  virtual absl::StatusOr<Tail> ReadTail(int64_t position) = 0;

  // What a watcher is to be woken for.
  struct State {
    int64_t revision = 0;
    // Of a session; found out at each read, so no revision tells when it turns.
    bool node_reachable = false;
  };
  // Of those that exist.
  virtual absl::StatusOr<std::map<std::string, State>> States(
      WatchKind kind, const std::vector<std::string>& ids) = 0;
};

}  // namespace paddock
