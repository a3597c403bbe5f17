#include "controlplane/core/node_state.h"

#include "gtest/gtest.h"

namespace paddock {
namespace {

NodeState StateAfter(absl::Duration silence) {
  Node node;
  node.silent_for = silence;
  SetNodeState(Settings(), &node);
  EXPECT_EQ(node.state_reason.empty(), node.state == NodeState::kReady) << node.state_reason;
  return node.state;
}

TEST(NodeStateTest, FollowsTheAgeOfTheLastHeartbeat) {
  const Settings settings;
  EXPECT_EQ(StateAfter(absl::ZeroDuration()), NodeState::kReady);
  EXPECT_EQ(StateAfter(settings.not_ready_after), NodeState::kReady);
  EXPECT_EQ(StateAfter(settings.not_ready_after + absl::Seconds(1)), NodeState::kNotReady);
  EXPECT_EQ(StateAfter(settings.lost_after + absl::Seconds(1)), NodeState::kLost);
}

TEST(NodeStateTest, AHeartbeatThatLiesAheadIsNoSignOfLife) {
  EXPECT_EQ(StateAfter(absl::Seconds(-1)), NodeState::kReady) << "a small step";
  EXPECT_EQ(StateAfter(absl::Hours(-1)), NodeState::kNotReady);
}

}  // namespace
}  // namespace paddock
