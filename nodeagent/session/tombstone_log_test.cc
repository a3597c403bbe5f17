#include "nodeagent/session/tombstone_log.h"

#include <gtest/gtest.h>

#include <fstream>

#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

class TombstoneLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/paddock-tombstones-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/tombstones.json";
  }
  void TearDown() override { ASSERT_TRUE(RemoveTree(directory_).ok()); }

  std::unique_ptr<TombstoneLog> Open() {
    auto log = TombstoneLog::Open(path_, now_);
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }

  std::string directory_;
  std::string path_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(TombstoneLogTest, SurvivesAReopening) {
  {
    auto log = Open();
    ASSERT_TRUE(log->RecordSeen("a", 1, now_).ok());
    const auto ticket = log->RecordStopped("a", 2, now_);
    ASSERT_TRUE(ticket.ok());
    ASSERT_TRUE(log->WaitDurable(*ticket).ok());
    ASSERT_TRUE(log->RecordSeen("b", 5, now_).ok());
  }
  auto log = Open();
  EXPECT_EQ(log->Get("a").seen, 2);
  EXPECT_EQ(log->Get("a").stopped, 2);
  EXPECT_EQ(log->Get("b").seen, 5);
  EXPECT_EQ(log->Get("b").stopped, 0);
  EXPECT_EQ(log->Get("c").seen, 0);
}

TEST_F(TombstoneLogTest, NeverGoesBack) {
  auto log = Open();
  ASSERT_TRUE(log->RecordStopped("a", 7, now_).ok());
  ASSERT_TRUE(log->RecordStopped("a", 3, now_).ok());
  ASSERT_TRUE(log->RecordSeen("a", 4, now_).ok());
  EXPECT_EQ(log->Get("a").stopped, 7);
  EXPECT_EQ(log->Get("a").seen, 7);
}

TEST_F(TombstoneLogTest, IgnoresATornLine) {
  {
    auto log = Open();
    ASSERT_TRUE(log->RecordStopped("a", 1, now_).ok());
  }
  std::ofstream(path_, std::ios::app) << R"({"session":"b","seen":9,"sto)";
  {
    auto log = Open();
    EXPECT_EQ(log->Get("a").stopped, 1);
    EXPECT_EQ(log->Get("b").seen, 0);
    ASSERT_TRUE(log->RecordSeen("c", 2, now_).ok());
  }
  EXPECT_EQ(Open()->Get("c").seen, 2);
}

TEST_F(TombstoneLogTest, ForgetsWhatIsOlderThanTheRetention) {
  {
    auto log = Open();
    ASSERT_TRUE(log->RecordStopped("old", 1, now_).ok());
    ASSERT_TRUE(log->RecordStopped("new", 1, now_ + absl::Hours(24 * 20)).ok());
  }
  now_ += TombstoneLog::kRetention + absl::Hours(1);
  auto log = Open();
  EXPECT_EQ(log->Get("old").stopped, 0);
  EXPECT_EQ(log->Get("new").stopped, 1);
}

}  // namespace
}  // namespace paddock::nodeagent
