#include "nodeagent/session/egress_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/fakes/nodeagent/session_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Takes everything at once, or nothing more while it is held.
class Recorder : public EgressWatcher {
 public:
  bool Ready() override {
    absl::MutexLock lock(&mutex_);
    return !held_;
  }
  void OnEvents(std::vector<EgressEvent> events) override {
    absl::MutexLock lock(&mutex_);
    for (const EgressEvent& event : events) names_.push_back(event.name);
  }
  void OnEnd(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    ended_ = status.ok();
  }
  void Hold(bool held) {
    absl::MutexLock lock(&mutex_);
    held_ = held;
  }
  // Once there are that many.
  std::vector<std::string> Wait(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return names_.size() >= count; };
    mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30));
    return names_;
  }
  bool WaitForEnd() {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&ended_), absl::Seconds(30));
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class EgressFeedTest : public SessionFixture {
 protected:
  void SetUp() override {
    archive_ = std::make_unique<EgressArchive>(paths().EgressDir());
    set_egress_archive(archive_.get());
    NewAgent();
    Open();
    ASSERT_EQ(Put(Spec(1))->phase, SessionPhase::kRunning);
  }
  void TearDown() override { Close(); }

  void Open() {
    reader_ = std::make_unique<EgressReader>(&manager(), resources().gateway, archive_.get());
    feed_ = std::make_unique<EgressFeed>(reader_.get(), absl::Milliseconds(1));
  }
  void Close() {
    feed_.reset();
    reader_.reset();
  }
  void Add(const std::string& name) {
    EgressEvent event;
    event.name = name;
    machine().AddEgress(kId, event);
  }
  EgressPage List(int64_t before, int limit, int64_t generation = 1) {
    absl::Notification done;
    absl::StatusOr<EgressPage> result;
    feed_->List(kId, generation, before, limit, [&](absl::StatusOr<EgressPage> page) {
      result = std::move(page);
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(kDeadline));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : EgressPage();
  }
  static std::vector<std::string> Names(const EgressPage& page) {
    std::vector<std::string> names;
    for (const EgressEvent& event : page.events) names.push_back(event.name);
    return names;
  }

  std::unique_ptr<EgressArchive> archive_;
  std::unique_ptr<EgressReader> reader_;
  std::unique_ptr<EgressFeed> feed_;
};

TEST_F(EgressFeedTest, ListsNewestFirstInPages) {
  EXPECT_THAT(List(0, 10).events, IsEmpty());
  for (const char* name : {"a", "b", "c"}) Add(name);
  const EgressPage first = List(0, 2);
  EXPECT_THAT(Names(first), ElementsAre("c", "b"));
  EXPECT_TRUE(first.more);
  const EgressPage second = List(first.events.back().sequence, 2);
  EXPECT_THAT(Names(second), ElementsAre("a"));
  EXPECT_FALSE(second.more);
}

TEST_F(EgressFeedTest, AListCrossesTheGatewaysPages) {
  for (int i = 0; i < 1203; ++i) Add(absl::StrCat(i));
  const EgressPage page = List(0, 1000);
  ASSERT_EQ(page.events.size(), 1000u);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.events.front().name, "1202");
  EXPECT_EQ(List(page.events.back().sequence, 1000).events.size(), 203u);
}

TEST_F(EgressFeedTest, AWatcherHearsWhatIsThereAndWhatComes) {
  Add("a");
  const auto watcher = std::make_shared<Recorder>();
  feed_->Watch(kId, 1, 0, watcher);
  EXPECT_THAT(watcher->Wait(1), ElementsAre("a"));
  Add("b");
  EXPECT_THAT(watcher->Wait(2), ElementsAre("a", "b"));
}

TEST_F(EgressFeedTest, AWatcherIsGivenNothingBeforeItIsReady) {
  const auto slow = std::make_shared<Recorder>();
  const auto quick = std::make_shared<Recorder>();
  slow->Hold(true);
  feed_->Watch(kId, 1, 0, slow);
  feed_->Watch(kId, 1, 0, quick);
  Add("a");
  EXPECT_THAT(quick->Wait(1), ElementsAre("a"));
  EXPECT_THAT(slow->Wait(0), IsEmpty());
  slow->Hold(false);
  EXPECT_THAT(slow->Wait(1), ElementsAre("a"));
}

TEST_F(EgressFeedTest, AnEndedSessionsEventsAreStillThere) {
  const auto watcher = std::make_shared<Recorder>();
  feed_->Watch(kId, 1, 0, watcher);
  Add("a");
  Add("b");
  ASSERT_TRUE(Stop(1).ok());
  EXPECT_THAT(watcher->Wait(2), ElementsAre("a", "b"));
  EXPECT_TRUE(watcher->WaitForEnd());
  EXPECT_THAT(Names(List(0, 10)), ElementsAre("b", "a"));
  const auto late = std::make_shared<Recorder>();
  feed_->Watch(kId, 1, 1, late);
  EXPECT_TRUE(late->WaitForEnd());
  EXPECT_THAT(late->Wait(1), ElementsAre("b"));
}

TEST_F(EgressFeedTest, AnotherGenerationHasEnded) {
  Add("a");
  const auto watcher = std::make_shared<Recorder>();
  feed_->Watch(kId, 2, 0, watcher);
  EXPECT_TRUE(watcher->WaitForEnd());
  EXPECT_THAT(watcher->Wait(0), IsEmpty());
  EXPECT_THAT(List(0, 10, 2).events, IsEmpty());
}

TEST_F(EgressFeedTest, EventsSurviveTheAgent) {
  Add("a");
  Close();
  NewAgent();
  Open();
  EXPECT_THAT(Names(List(0, 10)), ElementsAre("a"));
}

}  // namespace
}  // namespace paddock::nodeagent
