#include "controlplane/core/scheduler.h"

#include <map>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Node MakeNode(int i) {
  Node node;
  node.id = NodeId(absl::StrCat("node-", i));
  node.state = NodeState::kReady;
  node.capacity = {1000, 1000, 1000, 10};
  return node;
}

PlacementNeeds Needs() {
  PlacementNeeds needs;
  needs.requests = {100, 100, 100};
  return needs;
}

TEST(Scheduler, EveryReasonToRefuseIsFound) {
  const PlacementNeeds needs = Needs();
  EXPECT_EQ(CheckFit(MakeNode(1), needs), Unfit::kNone);
  Node node = MakeNode(1);
  node.state = NodeState::kNotReady;
  EXPECT_EQ(CheckFit(node, needs), Unfit::kNotReady);
  node = MakeNode(1);
  node.cordoned = true;
  EXPECT_EQ(CheckFit(node, needs), Unfit::kCordoned);
  node = MakeNode(1);
  node.not_schedulable_reason = "DISK_FULL";
  EXPECT_EQ(CheckFit(node, needs), Unfit::kNotSchedulable);
  for (int64_t NodeResources::*field :
       {&NodeResources::cpu_millis, &NodeResources::memory_bytes, &NodeResources::disk_bytes}) {
    node = MakeNode(1);
    node.used.*field = 901;
    EXPECT_EQ(CheckFit(node, needs), Unfit::kRoom);
    node.used.*field = 900;
    EXPECT_EQ(CheckFit(node, needs), Unfit::kNone);
  }
  node = MakeNode(1);
  node.used.sessions = 10;
  EXPECT_EQ(CheckFit(node, needs), Unfit::kRoom);
}

TEST(Scheduler, LabelsRuntimeClassAndImageMustBeThere) {
  PlacementNeeds needs = Needs();
  needs.node_labels = {{"zone", "a"}};
  Node node = MakeNode(1);
  EXPECT_EQ(CheckFit(node, needs), Unfit::kLabels);
  node.labels = {{"zone", "b"}};
  EXPECT_EQ(CheckFit(node, needs), Unfit::kLabels);
  node.labels = {{"zone", "a"}, {"more", "x"}};
  EXPECT_EQ(CheckFit(node, needs), Unfit::kNone);
  needs.runtime_class = "runsc";
  EXPECT_EQ(CheckFit(node, needs), Unfit::kRuntime);
  node.runtime_classes = {"crun", "runsc"};
  EXPECT_EQ(CheckFit(node, needs), Unfit::kNone);
  needs.image_digest = "sha256:1";
  EXPECT_EQ(CheckFit(node, needs), Unfit::kImage);
  needs.image_can_be_pulled = true;
  EXPECT_EQ(CheckFit(node, needs), Unfit::kNone);
}

TEST(Scheduler, PrefersTheImageThenTheRoomiest) {
  PlacementNeeds needs = Needs();
  needs.image_digest = "sha256:1";
  needs.image_can_be_pulled = true;
  Node full_with_image = MakeNode(1);
  full_with_image.used.memory_bytes = 800;
  full_with_image.images = {"sha256:1"};
  const SchedulingResult result = Schedule({MakeNode(0), full_with_image, MakeNode(2)}, needs, 5);
  ASSERT_EQ(result.candidates.size(), 3u);
  EXPECT_EQ(result.candidates[0].value(), "node-1");
  Node busy = MakeNode(0);
  busy.used.cpu_millis = 500;
  EXPECT_EQ(Schedule({busy, MakeNode(1)}, Needs(), 0).candidates[0].value(), "node-1");
}

TEST(Scheduler, ANodeThatFailedIsTheLastChoiceAndStillOne) {
  Node avoided = MakeNode(0);
  avoided.avoided = true;
  Node busy = MakeNode(1);
  busy.used.cpu_millis = 900;
  const SchedulingResult result = Schedule({avoided, busy}, Needs(), 0);
  ASSERT_EQ(result.candidates.size(), 2u);
  EXPECT_EQ(result.candidates[0].value(), "node-1");
  EXPECT_EQ(Schedule({avoided}, Needs(), 0).candidates.size(), 1u);
}

TEST(Scheduler, SaysWhyThereIsNone) {
  EXPECT_EQ(Schedule({}, Needs(), 1).reason, "NO_NODES");
  Node full = MakeNode(1);
  full.used.sessions = 10;
  const SchedulingResult result = Schedule({full}, Needs(), 1);
  EXPECT_EQ(result.reason, "NO_ROOM");
  EXPECT_EQ(result.message, "Of 1 nodes 1 have no room.");
  Node silent = MakeNode(2);
  silent.state = NodeState::kNotReady;
  EXPECT_EQ(Schedule({silent}, Needs(), 1).reason, "NO_READY_NODE");
  EXPECT_EQ(Schedule({silent}, Needs(), 1).message, "Of 1 nodes 1 don't answer.");
  EXPECT_EQ(Schedule({silent, full}, Needs(), 1).reason, "NO_ROOM");
  PlacementNeeds labelled = Needs();
  labelled.node_labels = {{"gpu", "yes"}};
  EXPECT_EQ(Schedule({silent}, labelled, 1).reason, "NO_MATCHING_NODE");
  EXPECT_EQ(Schedule({full, MakeNode(2)}, labelled, 1).reason, "NO_MATCHING_NODE");
}

TEST(Scheduler, PropertyCandidatesFitAreDistinctAndOneIsFoundIfThereIsOne) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Node> nodes;
    const int count = static_cast<int>(random() % 60);
    for (int i = 0; i < count; ++i) {
      Node node = MakeNode(i);
      node.used.cpu_millis = random() % 1100;
      node.used.sessions = random() % 12;
      node.cordoned = random() % 3 == 0;
      if (random() % 4 == 0) node.state = NodeState::kLost;
      nodes.push_back(node);
    }
    const PlacementNeeds needs = Needs();
    const SchedulingResult result = Schedule(nodes, needs, random());
    bool any = false;
    for (const Node& node : nodes) any = any || CheckFit(node, needs) == Unfit::kNone;
    EXPECT_EQ(!result.candidates.empty(), any);
    EXPECT_EQ(result.reason.empty(), any);
    std::set<std::string> seen;
    for (const NodeId& id : result.candidates) {
      EXPECT_TRUE(seen.insert(id.value()).second);
      for (const Node& node : nodes) {
        if (node.id == id) EXPECT_EQ(CheckFit(node, needs), Unfit::kNone);
      }
    }
  }
}

TEST(Scheduler, SaysWhyNoNodeHasTheRuntimeClass) {
  Node first = MakeNode(1), second = MakeNode(2);
  first.name = "one";
  second.name = "two";
  first.details["runtime_runsc"] = "runsc isn't installed";
  second.details["runtime_runsc"] = "runsc ended with code 128: no ptrace";
  const absl::Status status = CheckRuntimeClass({first, second}, "runsc");
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"runsc\""), HasSubstr("node one: runsc isn't installed"),
                    HasSubstr("node two: runsc ended with code 128: no ptrace")));
  EXPECT_THAT(std::string(CheckRuntimeClass({first}, "runsc").message()),
              HasSubstr("the only node lacks it: node one: runsc isn't installed"));
  second.runtime_classes = {"crun", "runsc"};
  EXPECT_TRUE(CheckRuntimeClass({first, second}, "runsc").ok()) << "it may have room later";
  EXPECT_TRUE(CheckRuntimeClass({first}, "").ok());
  EXPECT_TRUE(CheckRuntimeClass({}, "runsc").ok()) << "nobody has said anything yet";
}

TEST(Scheduler, CountsTheNodesThatLackTheRuntimeClassForOneReason) {
  std::vector<Node> nodes;
  for (int i = 1; i <= 4; ++i) {
    nodes.push_back(MakeNode(i));
    nodes.back().name = absl::StrCat("node-", i);
    nodes.back().details["runtime_runsc"] = i < 4 ? "runsc isn't installed" : "too old";
  }
  EXPECT_THAT(std::string(CheckRuntimeClass(nodes, "runsc").message()),
              HasSubstr("all 4 nodes lack it: node node-1 and 2 more: runsc isn't installed; "
                        "node node-4: too old"));
}

TEST(Scheduler, ShapesDifferByEveryNeed) {
  PlacementNeeds other = Needs();
  const std::string shape = ShapeOf(other);
  EXPECT_EQ(shape, ShapeOf(Needs()));
  other.requests.disk_bytes = 101;
  EXPECT_NE(ShapeOf(other), shape);
  other = Needs();
  other.node_labels = {{"a", "b"}};
  EXPECT_NE(ShapeOf(other), shape);
  other = Needs();
  other.runtime_class = "runsc";
  EXPECT_NE(ShapeOf(other), shape);
}

TEST(Scheduler, ABurstSpreadsAlthoughTheViewIsOld) {
  const std::vector<Node> nodes = {MakeNode(0), MakeNode(1), MakeNode(2), MakeNode(3)};
  const PlacementNeeds needs = Needs();
  RecentCharges recent(nodes);
  std::map<std::string, int> placed;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const NodeId node = Schedule(nodes, needs, seed % 2, &recent).candidates[0];
    recent.Add(node, needs.requests);
    ++placed[node.value()];
  }
  ASSERT_EQ(placed.size(), 4u);
  for (const auto& [node, count] : placed) EXPECT_EQ(count, 5) << node;
}

TEST(Scheduler, WhatWasPlacedRecentlyLeavesNoRoomUntilItIsTakenBack) {
  const std::vector<Node> nodes = {MakeNode(0)};
  const PlacementNeeds needs = Needs();
  RecentCharges recent(nodes);
  for (int i = 0; i < 10; ++i) recent.Add(nodes[0].id, needs.requests);
  EXPECT_EQ(Schedule(nodes, needs, 0, &recent).reason, "NO_ROOM");
  recent.TakeBack(nodes[0].id, needs.requests);
  recent.Add(NodeId("unknown"), needs.requests);
  EXPECT_EQ(Schedule(nodes, needs, 0, &recent).candidates.size(), 1u);
}

}  // namespace
}  // namespace paddock
