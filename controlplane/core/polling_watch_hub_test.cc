#include "controlplane/core/polling_watch_hub.h"

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

// Revisions that tests set; the tail is empty, so that the sweep alone must find them.
class FakeChanges : public ChangeStore {
 public:
  absl::StatusOr<Tail> ReadTail(int64_t position) override {
    absl::MutexLock lock(&mutex_);
    ++reads_;
    return Tail{position < 0 ? 0 : position, {}};
  }
  absl::StatusOr<std::map<std::string, State>> States(
      WatchKind kind, const std::vector<std::string>& ids) override {
    absl::MutexLock lock(&mutex_);
    ++sweeps_;
    return states_;
  }
  void Set(const std::string& id, int64_t revision, bool node_reachable = true) {
    absl::MutexLock lock(&mutex_);
    states_[id] = {revision, node_reachable};
  }
  State Get(const std::string& id) {
    absl::MutexLock lock(&mutex_);
    return states_[id];
  }
  // Until as many more have been read.
  void AwaitSweeps(int count) {
    absl::MutexLock lock(&mutex_);
    const int enough = sweeps_ + count;
    const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return sweeps_ >= enough; };
    mutex_.Await(absl::Condition(&done));
  }
  int reads() {
    absl::MutexLock lock(&mutex_);
    return reads_;
  }

 private:
  absl::Mutex mutex_;
  std::map<std::string, State> states_ ABSL_GUARDED_BY(mutex_);
  int sweeps_ ABSL_GUARDED_BY(mutex_) = 0;
  int reads_ ABSL_GUARDED_BY(mutex_) = 0;
};

class PollingWatchHubTest : public testing::Test {
 protected:
  PollingWatchHub::Options Fast() {
    PollingWatchHub::Options options;
    options.poll_interval = absl::Milliseconds(5);
    options.sweep_interval = absl::Milliseconds(10);
    return options;
  }
  // Subscribes; `done` fires when revision `until` was seen.
  std::unique_ptr<Subscription> WatchUntil(int64_t until, absl::Notification* done) {
    return hub_.Subscribe(WatchKind::kSession, "s", 1, [this, until, done](int64_t) {
      const int64_t revision = changes_.Get("s").revision;
      if (revision >= until && !done->HasBeenNotified()) done->Notify();
      return revision;
    });
  }
  FakeChanges changes_;
  PollingWatchHub hub_{&changes_, Fast()};
};

TEST_F(PollingWatchHubTest, TheSweepFindsWhatTheTailMissed) {
  changes_.Set("s", 1);
  absl::Notification done;
  auto watch = WatchUntil(2, &done);
  changes_.Set("s", 2);
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST_F(PollingWatchHubTest, AChangeBeforeTheSubscriptionIsSeenToo) {
  changes_.Set("s", 5);
  absl::Notification done;
  auto watch = WatchUntil(5, &done);
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST_F(PollingWatchHubTest, ANodeThatTurnsSilentOrBackIsToldWithoutANewRevision) {
  changes_.Set("s", 1);
  absl::Mutex mutex;
  std::vector<bool> told;
  auto watch = hub_.Subscribe(WatchKind::kSession, "s", 1, [&](int64_t) -> WatchHub::Seen {
    const ChangeStore::State state = changes_.Get("s");
    absl::MutexLock lock(&mutex);
    if (told.empty() || told.back() != state.node_reachable) told.push_back(state.node_reachable);
    return {state.revision, state.node_reachable};
  });
  for (bool reachable : {true, false, true, false}) {
    changes_.Set("s", 1, reachable);
    const auto seen = [&] { return !told.empty() && told.back() == reachable; };
    absl::MutexLock lock(&mutex);
    ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&seen), absl::Seconds(20)));
  }
}

TEST_F(PollingWatchHubTest, WhatDoesntChangeWakesNobodyAgain) {
  changes_.Set("s", 1);
  std::atomic<int> calls{0};
  auto watch = hub_.Subscribe(WatchKind::kSession, "s", 1, [&](int64_t) {
    ++calls;
    return int64_t{1};
  });
  changes_.AwaitSweeps(4);  // Of both kinds each time: the second is over.
  const int before = calls;
  changes_.AwaitSweeps(20);
  EXPECT_EQ(calls, before);
}

TEST_F(PollingWatchHubTest, NothingIsCalledAfterTheSubscriptionIsGone) {
  changes_.Set("s", 1);
  std::atomic<bool> gone{false};
  std::atomic<int> late{0};
  for (int round = 0; round < 200; ++round) {
    gone = false;
    auto watch = hub_.Subscribe(WatchKind::kSession, "s", 1, [&](int64_t) {
      if (gone) ++late;
      return int64_t{1};
    });
    hub_.Notify(WatchKind::kSession, "s");
    watch.reset();
    gone = true;
    hub_.Notify(WatchKind::kSession, "s");
  }
  EXPECT_EQ(late, 0);
  EXPECT_EQ(hub_.watchers(), 0);
}

TEST(PollingWatchHub, ReadsNothingWhileNobodyWatches) {
  FakeChanges changes;
  { PollingWatchHub hub(&changes, {}); }
  EXPECT_EQ(changes.reads(), 0);
}

}  // namespace
}  // namespace paddock
