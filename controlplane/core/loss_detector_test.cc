#include "controlplane/core/loss_detector.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

class LossDetectorTest : public testing::Test {
 protected:
  LossDetectorTest() : detector_(settings_) {
    for (int i = 0; i < 4; ++i) {
      Node node;
      node.id = NodeId(absl::StrCat("node-", i));
      node.silent_for = absl::ZeroDuration();
      nodes_.push_back(node);
      runs_[node.id] = 1;
    }
  }

  // Reads every second for `duration`; nodes that aren't in `silent` beat each time.
  std::vector<LossDetector::Lost> Watch(absl::Duration duration, const std::set<int>& silent) {
    std::vector<LossDetector::Lost> lost;
    for (absl::Duration passed; passed < duration; passed += absl::Seconds(1)) {
      now_ += absl::Seconds(1);
      for (int i = 0; i < 4; ++i) {
        if (silent.count(i) == 0) ++nodes_[i].heartbeat_counter;
      }
      // Only what is asked for is known.
      std::map<NodeId, int64_t> runs;
      for (const NodeId& id : detector_.Silent(now_, nodes_)) {
        if (runs_.count(id) > 0) runs[id] = runs_[id];
      }
      lost = detector_.Observe(now_, nodes_, runs);
    }
    return lost;
  }

  const Settings settings_;
  LossDetector detector_;
  std::vector<Node> nodes_;
  std::map<NodeId, int64_t> runs_;
  absl::Duration now_;
};

TEST_F(LossDetectorTest, ANodeIsLostAfterLostAfterAndNotEarlier) {
  Watch(absl::Seconds(3), {});
  EXPECT_TRUE(Watch(settings_.lost_after - absl::Seconds(1), {2}).empty());
  const auto lost = Watch(absl::Seconds(2), {2});
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].id.value(), "node-2");
  EXPECT_EQ(lost[0].heartbeat_counter, nodes_[2].heartbeat_counter);
}

TEST_F(LossDetectorTest, OneHeartbeatStartsTheCountAgain) {
  Watch(absl::Seconds(55), {2});
  ++nodes_[2].heartbeat_counter;
  EXPECT_TRUE(Watch(absl::Seconds(50), {2}).empty());
  EXPECT_EQ(Watch(absl::Seconds(15), {2}).size(), 1u);
}

TEST_F(LossDetectorTest, AGapInReadingStartsEveryCountAgain) {
  Watch(absl::Seconds(59), {2});
  now_ += absl::Minutes(60);  // The database was away, or this process stood still.
  EXPECT_TRUE(Watch(absl::Seconds(58), {2}).empty());
  EXPECT_EQ(Watch(absl::Seconds(5), {2}).size(), 1u);
}

TEST_F(LossDetectorTest, NothingIsLostWhileMoreThanAThirdAreSilent) {
  EXPECT_TRUE(Watch(absl::Minutes(10), {1, 2}).empty());
  EXPECT_EQ(Watch(absl::Seconds(15), {2}).size(), 1u);
}

TEST_F(LossDetectorTest, SilentNodesWithoutRunsDontCount) {
  runs_.erase(NodeId("node-1"));
  const auto lost = Watch(absl::Minutes(2), {1, 2});
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].id.value(), "node-2");
}

TEST_F(LossDetectorTest, NobodyIsAskedAboutWhileAllBeat) {
  Watch(absl::Seconds(30), {});
  EXPECT_TRUE(detector_.Silent(now_, nodes_).empty());
  Watch(settings_.not_ready_after + absl::Seconds(1), {2});
  EXPECT_EQ(detector_.Silent(now_, nodes_), std::vector<NodeId>{NodeId("node-2")});
}

TEST_F(LossDetectorTest, StepsOfTheDatabasesClockMakeNobodyLost) {
  Watch(absl::Seconds(3), {});
  for (Node& node : nodes_) node.silent_for = absl::Hours(1);
  EXPECT_TRUE(Watch(absl::Seconds(10), {}).empty());
  EXPECT_TRUE(Watch(absl::Seconds(10), {2}).empty());
}

}  // namespace
}  // namespace paddock
