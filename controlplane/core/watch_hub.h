#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock {

enum class WatchKind { kEnvironment = 1, kSession = 2 };

// Ends what it stands for when destroyed: once the destructor returns, no call is under way and
// none follows. Must not be destroyed from inside of its own watcher.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// Tells watchers when a resource has a new revision, without a thread each. Thread-safe. Wakes come
// from local writes at once, from other replicas through a tail of changes, and from a sweep of the
// watched revisions, so none is missed. Most callers want WatchResource.
class WatchHub {
 public:
  // Returned by a watcher that needs no further call.
  static constexpr int64_t kEnd = -1;

  // What a watcher has seen, or kEnd.
  struct Seen {
    // NOLINTNEXTLINE(google-explicit-constructor): most watchers care for the revision alone.
    Seen(int64_t seen_revision, std::optional<bool> seen_reachable = std::nullopt)
        : revision(seen_revision), node_reachable(seen_reachable) {}
    int64_t revision;
    std::optional<bool> node_reachable;  // Of a session, by those that want to know when it turns.
  };

  // Called when the resource's revision may be above what the watcher has seen, when a session's
  // node_reachable isn't what it has seen, or when it is gone (`revision` 0). Returns what it has
  // seen now. One call at a time, on a thread of the hub; may block for the database.
  using Watcher = std::function<Seen(int64_t revision)>;

  virtual ~WatchHub() = default;

  virtual std::unique_ptr<Subscription> Subscribe(WatchKind kind, absl::string_view id,
                                                  int64_t seen_revision, Watcher watcher) = 0;

  // A write was committed here. Doesn't block.
  virtual void Notify(WatchKind kind, absl::string_view id) = 0;
};

}  // namespace paddock
