#include "nodeagent/egress/egress_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

class EgressLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/log_test.XXXXXX";
    directory_ = mkdtemp(path);
    file_ = directory_ + "/events";
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(directory_).ok()); }
  static EgressEvent Named(const std::string& name) {
    EgressEvent event;
    event.name = name;
    return event;
  }
  FakeClock clock_;
  std::string directory_, file_;
};

TEST_F(EgressLogTest, PagesGoThroughAll) {
  EgressLog log(file_, &clock_);
  for (int i = 0; i < 5; ++i) log.Add(Named(absl::StrCat("n", i)));
  EgressPage page = log.After(0, 2);
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.events[0].sequence, 1);
  EXPECT_EQ(page.events[0].time, clock_.Now());
  page = log.After(page.events.back().sequence, 3);
  EXPECT_EQ(page.events.size(), 3u);
  EXPECT_FALSE(page.more);
  EXPECT_TRUE(log.After(5, 10).events.empty());
}

TEST_F(EgressLogTest, RefusalsThatAreAlikeCountOnceASecond) {
  EgressLog log(file_, &clock_);
  for (int i = 0; i < 10; ++i) log.AddUnlessAlike(Named("same"));
  EXPECT_EQ(log.After(0, 100).events.size(), 1u);
  clock_.Advance(absl::Seconds(1));
  log.AddUnlessAlike(Named("same"));
  EXPECT_EQ(log.After(0, 100).events.size(), 2u);
  for (int i = 0; i < 3; ++i) log.Add(Named("same"));
  EXPECT_EQ(log.After(0, 100).events.size(), 5u) << "what isn't merged counts each time";
}

TEST_F(EgressLogTest, AnotherReasonIsNotAlike) {
  EgressLog log(file_, &clock_);
  for (const char* reason : {"first", "second", "first", "second"}) {
    EgressEvent event = Named("same");
    event.reason = reason;
    log.AddUnlessAlike(std::move(event));
  }
  EgressPage page = log.After(0, 100);
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events[0].reason, "first");
  EXPECT_EQ(page.events[1].reason, "second");
}

TEST_F(EgressLogTest, AmongTooManyKindsAlikeOnesMayComeAgain) {
  EgressLog log(file_, &clock_);
  for (size_t i = 0; i < EgressLog::kMaxRecent; ++i) {
    log.AddUnlessAlike(Named(absl::StrCat("n", i)));
  }
  log.AddUnlessAlike(Named("n0"));
  EXPECT_EQ(log.After(0, 1000).events.size(), EgressLog::kMaxRecent + 1);
}

TEST_F(EgressLogTest, AFloodIsCutAndSaysSo) {
  EgressLog log(file_, &clock_);
  for (int i = 0; i < 100'000; ++i) log.Add(Named(absl::StrCat("n", i)));
  size_t kept = log.After(0, 10'000).events.size();
  EXPECT_EQ(kept, 500u);
  clock_.Advance(absl::Seconds(2));
  log.Add(Named("later"));
  EgressPage page = log.After(static_cast<int64_t>(kept), 10);
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events[0].reason, "99500 more events were left out: too many at once");
  EXPECT_EQ(page.events[1].name, "later");
}

TEST_F(EgressLogTest, TheNewestAreKeptAndTheFileIsBounded) {
  EgressLog log(file_, &clock_);
  for (int i = 0; i < 10'000; ++i) {
    clock_.Advance(absl::Milliseconds(100));
    log.Add(Named(absl::StrCat("n", i)));
    if (i % 100 == 0) {
      ASSERT_TRUE(log.Flush().ok());
    }
  }
  ASSERT_TRUE(log.Flush().ok());
  EXPECT_FALSE(log.dirty());
  EgressPage page = log.After(0, 10'000);
  EXPECT_EQ(page.events.size(), EgressLog::kMaxEvents);
  EXPECT_EQ(page.events.back().sequence, 10'000);
  EXPECT_LT(ReadFile(file_)->size(), 2u << 20);
}

TEST_F(EgressLogTest, ANewProcessGoesOnWithHigherSequences) {
  {
    EgressLog log(file_, &clock_);
    log.Add(Named("a"));
    ASSERT_TRUE(log.Flush().ok());
    log.Add(Named("lost"));
  }
  EgressLog log = *EgressLog::Load(file_, &clock_);
  EXPECT_FALSE(log.dirty());
  log.Add(Named("b"));
  EgressPage page = log.After(0, 10);
  ASSERT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.events[0].name, "a");
  EXPECT_GT(page.events[1].sequence, 2);
}

}  // namespace
}  // namespace paddock::nodeagent
