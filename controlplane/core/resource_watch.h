#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/errors.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// Watches one resource: loads it now, and again whenever the hub tells of a higher revision. T has
// a member `revision`. `load` reads it with its tenant's scope and may block; `watcher` is as in
// SessionOperations::Watch. Blocks for the first load and returns its error.
template <typename T>
absl::StatusOr<std::unique_ptr<Subscription>> WatchResource(
    WatchHub* hub, WatchKind kind, const std::string& id, int64_t after_revision,
    std::function<absl::StatusOr<T>()> load, std::function<void(absl::StatusOr<T>)> watcher) {
  absl::StatusOr<T> now = load();
  if (!now.ok()) return now.status();
  if (after_revision > now->revision) return errors::RevisionTooOld(after_revision);
  auto delivered = std::make_shared<int64_t>(after_revision);
  if (now->revision > *delivered) {
    *delivered = now->revision;
    watcher(*std::move(now));
  }
  // Calls of one subscription never overlap, so `delivered` needs no lock.
  return hub->Subscribe(kind, id, *delivered, [=](int64_t) {
    absl::StatusOr<T> next = load();
    if (!next.ok()) {
      // The database will be back, and the hub's sweep finds what is newer by then.
      if (absl::IsUnavailable(next.status()) || absl::IsResourceExhausted(next.status())) {
        return *delivered;
      }
      watcher(next.status());
      return WatchHub::kEnd;
    }
    if (next->revision > *delivered) {
      *delivered = next->revision;
      watcher(*std::move(next));
    }
    return *delivered;
  });
}

}  // namespace paddock
