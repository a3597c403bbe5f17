#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "controlplane/core/watch_hub.h"

namespace paddock {

// A hub that calls watchers inside of Notify, on the caller's thread: what follows a write has
// happened when the write returns. It doesn't know revisions, so each Notify wakes every watcher of
// the resource. One test thread at a time.
class FakeWatchHub : public WatchHub {
 public:
  std::unique_ptr<Subscription> Subscribe(WatchKind kind, absl::string_view id,
                                          int64_t seen_revision, Watcher watcher) override {
    auto entry = std::make_shared<Entry>();
    entry->kind = kind;
    entry->id = std::string(id);
    entry->seen = seen_revision;
    entry->watcher = std::move(watcher);
    entries_.push_back(entry);
    return std::make_unique<FakeSubscription>(entry);
  }

  void Notify(WatchKind kind, absl::string_view id) override {
    notified_.emplace_back(id);
    for (const auto& entry : entries_) {
      if (entry->ended || entry->kind != kind || entry->id != id) continue;
      const int64_t seen = entry->watcher(entry->seen + 1).revision;
      if (seen == kEnd) {
        entry->ended = true;
      } else {
        entry->seen = seen;
      }
    }
  }

  // The ids of every Notify, in order.
  const std::vector<std::string>& notified() const { return notified_; }

 private:
  struct Entry {
    WatchKind kind = WatchKind::kEnvironment;
    std::string id;
    int64_t seen = 0;
    Watcher watcher;
    bool ended = false;
  };

  class FakeSubscription : public Subscription {
   public:
    explicit FakeSubscription(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
    ~FakeSubscription() override { entry_->ended = true; }

   private:
    const std::shared_ptr<Entry> entry_;
  };

  std::vector<std::shared_ptr<Entry>> entries_;
  std::vector<std::string> notified_;
};

}  // namespace paddock
