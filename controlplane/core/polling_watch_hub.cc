#include "controlplane/core/polling_watch_hub.h"

#include <algorithm>

#include "common/await_for.h"

namespace paddock {
namespace {

constexpr size_t kSweepChunk = 1000;

}  // namespace

class PollingWatchHub::Handle : public Subscription {
 public:
  Handle(PollingWatchHub* hub, EntryPtr entry) : hub_(hub), entry_(std::move(entry)) {}
  ~Handle() override { hub_->Close(entry_); }

 private:
  PollingWatchHub* const hub_;
  const EntryPtr entry_;
};

PollingWatchHub::PollingWatchHub(ChangeStore* store, Options options)
    : store_(store), options_(options) {
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { CallWatchers(); });
  }
  threads_.emplace_back([this] { Poll(); });
}

PollingWatchHub::~PollingWatchHub() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

std::unique_ptr<Subscription> PollingWatchHub::Subscribe(WatchKind kind, absl::string_view id,
                                                         int64_t seen_revision, Watcher watcher) {
  auto entry = std::make_shared<Entry>();
  entry->key = Key(kind, std::string(id));
  entry->watcher = std::move(watcher);
  entry->seen = seen_revision;
  absl::MutexLock lock(&mutex_);
  entries_.emplace(entry->key, entry);
  // What changed between the caller's read and now is found by this call.
  Wake(entry, seen_revision + 1);
  return std::make_unique<Handle>(this, entry);
}

void PollingWatchHub::Notify(WatchKind kind, absl::string_view id) {
  absl::MutexLock lock(&mutex_);
  if (entries_.empty()) return;
  WakeAll(Key(kind, std::string(id)), 0);
}

void PollingWatchHub::WakeAll(const Key& key, int64_t revision) {
  auto range = entries_.equal_range(key);
  for (auto it = range.first; it != range.second; ++it) Wake(it->second, revision);
}

void PollingWatchHub::Wake(const EntryPtr& entry, int64_t revision) {
  entry->revision = std::max(entry->revision, revision);
  if (entry->running) {
    entry->again = true;
  } else if (!entry->queued && !entry->closed) {
    entry->queued = true;
    queue_.push_back(entry);
  }
}

void PollingWatchHub::Close(const EntryPtr& entry) {
  absl::MutexLock lock(&mutex_);
  entry->closed = true;
  auto range = entries_.equal_range(entry->key);
  for (auto it = range.first; it != range.second; ++it) {
    if (it->second == entry) {
      entries_.erase(it);
      break;
    }
  }
  mutex_.Await(absl::Condition(entry.get(), &Entry::Idle));
}

void PollingWatchHub::CallWatchers() {
  while (true) {
    EntryPtr entry;
    int64_t revision = 0;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &PollingWatchHub::HasWork));
      if (ending_) return;
      entry = std::move(queue_.front());
      queue_.pop_front();
      entry->queued = false;
      if (entry->closed) continue;
      entry->running = true;
      revision = entry->revision;
    }
    const Seen seen = entry->watcher(revision);
    absl::MutexLock lock(&mutex_);
    entry->running = false;
    entry->closed = entry->closed || seen.revision == kEnd;
    entry->seen = std::max(entry->seen, seen.revision);
    entry->node_reachable = seen.node_reachable;
    if (entry->again) {
      entry->again = false;
      Wake(entry, 0);
    }
  }
}

bool PollingWatchHub::WaitForWatchers() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &PollingWatchHub::HasWatchers));
  return !ending_;
}

void PollingWatchHub::Poll() {
  int64_t position = -1;
  absl::Duration since_sweep = options_.sweep_interval;
  while (WaitForWatchers()) {
    if (position < 0) since_sweep = options_.sweep_interval;
    ReadTail(&position);
    if (since_sweep >= options_.sweep_interval) {
      Sweep(WatchKind::kEnvironment);
      Sweep(WatchKind::kSession);
      since_sweep = absl::ZeroDuration();
    }
    since_sweep += options_.poll_interval;
    absl::MutexLock lock(&mutex_);
    AwaitFor(&mutex_, absl::Condition(&ending_), options_.poll_interval);
    // Nobody reads while nobody watches; who comes next begins with the end of the tail.
    if (entries_.empty()) position = -1;
  }
}

void PollingWatchHub::ReadTail(int64_t* position) {
  absl::StatusOr<ChangeStore::Tail> tail = store_->ReadTail(*position);
  // The sweep makes up for what is missed.
  if (!tail.ok()) return;
  *position = tail->position;
  absl::MutexLock lock(&mutex_);
  for (const ChangeStore::Change& change : tail->changes) {
    WakeAll(Key(change.kind, change.id), 0);
  }
}

void PollingWatchHub::Sweep(WatchKind kind) {
  std::vector<std::string> ids;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, entry] : entries_) {
      if (key.first == kind && (ids.empty() || ids.back() != key.second)) ids.push_back(key.second);
    }
  }
  for (size_t begin = 0; begin < ids.size(); begin += kSweepChunk) {
    const std::vector<std::string> chunk(ids.begin() + begin,
                                         ids.begin() + std::min(ids.size(), begin + kSweepChunk));
    absl::StatusOr<std::map<std::string, ChangeStore::State>> states = store_->States(kind, chunk);
    if (!states.ok()) return;
    absl::MutexLock lock(&mutex_);
    for (const std::string& id : chunk) {
      // Revision 0: it is gone.
      const ChangeStore::State state = (*states)[id];
      auto range = entries_.equal_range(Key(kind, id));
      for (auto it = range.first; it != range.second; ++it) {
        const Entry& entry = *it->second;
        const bool turned =
            entry.node_reachable.has_value() && *entry.node_reachable != state.node_reachable;
        if (turned || state.revision == 0 || state.revision > entry.seen) {
          Wake(it->second, state.revision);
        }
      }
    }
  }
}

int64_t PollingWatchHub::watchers() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(entries_.size());
}

}  // namespace paddock
