#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controlplane/core/change_store.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// WatchHub that polls a ChangeStore, and only while there are watchers. One polling thread and a
// few that call watchers, whatever the number of watchers. Thread-safe.
class PollingWatchHub : public WatchHub {
 public:
  struct Options {
    absl::Duration poll_interval = absl::Milliseconds(100);
    absl::Duration sweep_interval = absl::Seconds(1);
    int threads = 2;
  };

  // `store` must outlive this.
  PollingWatchHub(ChangeStore* store, Options options);
  // Every subscription must be gone.
  ~PollingWatchHub() override;

  std::unique_ptr<Subscription> Subscribe(WatchKind kind, absl::string_view id,
                                          int64_t seen_revision, Watcher watcher) override;
  void Notify(WatchKind kind, absl::string_view id) override;

  // For metrics.
  int64_t watchers() const;

 private:
  class Handle;
  using Key = std::pair<WatchKind, std::string>;

  // One watcher. All fields but the constant ones are guarded by mutex_.
  struct Entry {
    Key key;
    Watcher watcher;
    int64_t seen = 0;
    int64_t revision = 0;                // That the next call tells.
    std::optional<bool> node_reachable;  // As the watcher saw it; none: it doesn't care.
    bool queued = false;
    bool running = false;
    bool again = false;  // Woken while running.
    bool closed = false;
    bool Idle() const { return !running; }
  };
  using EntryPtr = std::shared_ptr<Entry>;

  void Wake(const EntryPtr& entry, int64_t revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeAll(const Key& key, int64_t revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Close(const EntryPtr& entry);
  void CallWatchers();
  void Poll();
  bool WaitForWatchers();
  void ReadTail(int64_t* position);
  void Sweep(WatchKind kind);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return ending_ || !queue_.empty(); }
  bool HasWatchers() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return ending_ || !entries_.empty();
  }

  ChangeStore* const store_;
  const Options options_;
  mutable absl::Mutex mutex_;
  std::multimap<Key, EntryPtr> entries_ ABSL_GUARDED_BY(mutex_);
  std::deque<EntryPtr> queue_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace paddock
