#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/errors.h"
#include "common/session_phase.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// What a watcher has been told of a resource.
class Told {
 public:
  // A watch that goes on from a revision takes a session's node for reachable.
  explicit Told(int64_t revision) : revision_(revision) {}

  // Whether `resource` says more; if so, it is told from now on. Revisions never fall.
  template <typename T>
  bool IsNews(const T& resource) {
    seen_reachable_ = SeenReachable(resource);
    const bool reachable = NodeReachable(resource);
    if (resource.revision < revision_) return false;
    if (resource.revision == revision_ && reachable == node_reachable_) return false;
    revision_ = resource.revision;
    node_reachable_ = reachable;
    return true;
  }
  int64_t revision() const { return revision_; }
  WatchHub::Seen seen() const { return {revision_, seen_reachable_}; }

 private:
  // As the store has it.
  static std::optional<bool> SeenReachable(const Session& session) {
    return session.node_reachable;
  }
  static std::optional<bool> SeenReachable(const Environment&) { return std::nullopt; }
  // Of a session that waits or has ended no node counts.
  static bool NodeReachable(const Session& session) {
    return session.node_reachable || session.node_id.empty() || IsFinal(session.state);
  }
  static bool NodeReachable(const Environment&) { return true; }

  int64_t revision_;
  bool node_reachable_ = true;
  std::optional<bool> seen_reachable_;
};

// Watches one resource, an environment or a session: loads it now, and again whenever the hub tells
// of a change. `load` reads it with its tenant's scope and may block; `watcher` is as in
// SessionOperations::Watch. Blocks for the first load and returns its error.
template <typename T>
absl::StatusOr<std::unique_ptr<Subscription>> WatchResource(
    WatchHub* hub, WatchKind kind, const std::string& id, int64_t after_revision,
    std::function<absl::StatusOr<T>()> load, std::function<void(absl::StatusOr<T>)> watcher) {
  if (after_revision < 0) return errors::InvalidField("after_revision", "must not be negative");
  absl::StatusOr<T> now = load();
  if (!now.ok()) return now.status();
  if (after_revision > now->revision) return errors::RevisionTooOld(after_revision);
  auto told = std::make_shared<Told>(after_revision);
  if (told->IsNews(*now)) watcher(*std::move(now));
  // Calls of one subscription never overlap, so `told` needs no lock.
  return hub->Subscribe(kind, id, told->revision(), [=](int64_t) -> WatchHub::Seen {
    absl::StatusOr<T> next = load();
    if (!next.ok()) {
      // The database will be back, and the hub's sweep finds what is newer by then.
      if (absl::IsUnavailable(next.status()) || absl::IsResourceExhausted(next.status())) {
        return told->seen();
      }
      watcher(next.status());
      return WatchHub::kEnd;
    }
    if (told->IsNews(*next)) watcher(*std::move(next));
    return told->seen();
  });
}

}  // namespace paddock
