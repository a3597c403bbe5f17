#include "controlplane/core/image_plan.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::HasSubstr;

class PlanImageTest : public testing::Test {
 protected:
  PlanImageTest() {
    CloudConfig cloud;
    cloud.packages.apt = {"jq"};
    cloud.packages.pip = {"pandas"};
    environment_.config = cloud;
    environment_.image.state = ImageState::kPending;
  }

  static Node MakeNode(const std::string& id) {
    Node node;
    node.id = NodeId(id);
    node.state = NodeState::kReady;
    node.base_image = "base";
    node.details = {{"managers", "apt,pip"}};
    node.capacity = {1000, 1000, 1000, 100};
    return node;
  }

  // As if `step` number `index` had been built on `parent`.
  Layer Built(size_t index, const std::string& parent, const std::string& digest,
              std::vector<std::string> other_hosts = {}) {
    const BuildProfile profile = *ProfileOf(MakeNode("n"));
    const auto& packages = std::get<CloudConfig>(environment_.config).packages;
    Layer layer;
    layer.cache_key = CacheKey(profile, parent, StepsOf(packages, profile, 0)[index]);
    layer.digest = digest;
    layer.other_hosts = std::move(other_hosts);
    layers_[layer.cache_key].push_back(layer);
    return layer;
  }

  ImagePlan Plan(const std::vector<Node>& nodes, bool pull = false) {
    auto plan = PlanImage(
        environment_, nodes, pull, [this](const NodeId& id) { return id == doubtful_; },
        [this](const std::string& key) -> absl::StatusOr<std::vector<Layer>> {
          return layers_[key];
        });
    EXPECT_TRUE(plan.ok()) << plan.status();
    return *plan;
  }

  Environment environment_;
  std::map<std::string, std::vector<Layer>> layers_;
  NodeId doubtful_;
};

TEST_F(PlanImageTest, BeginsAtTheBase) {
  const ImagePlan plan = Plan({MakeNode("a")});
  EXPECT_EQ(plan.kind, ImagePlan::Kind::kBuild);
  EXPECT_EQ(plan.step.manager, "apt");
  EXPECT_EQ(plan.parent, "");
  EXPECT_EQ(plan.base_image, "base");
  ASSERT_EQ(plan.nodes.size(), 1u);
}

TEST_F(PlanImageTest, GoesOnWhereTheLayerBelowIs) {
  Built(0, "base", "apt-layer");
  Node has_it = MakeNode("b");
  has_it.images = {"apt-layer"};
  has_it.used.cpu_millis = 900;
  const ImagePlan plan = Plan({MakeNode("a"), has_it, MakeNode("c")});
  EXPECT_EQ(plan.kind, ImagePlan::Kind::kBuild);
  EXPECT_EQ(plan.step.manager, "pip");
  EXPECT_EQ(plan.parent, "apt-layer");
  ASSERT_EQ(plan.nodes.size(), 1u) << "the others would begin at the base";
  EXPECT_EQ(plan.nodes[0].id, has_it.id);
}

TEST_F(PlanImageTest, IsReadyWhereOneNodeHasAllOfIt) {
  Built(0, "base", "apt-layer");
  Built(1, "apt-layer", "pip-layer");
  Node half = MakeNode("a");
  half.images = {"apt-layer"};
  Node other_half = MakeNode("b");
  other_half.images = {"pip-layer"};
  EXPECT_EQ(Plan({half, other_half}).kind, ImagePlan::Kind::kBuild);
  Node whole = MakeNode("c");
  whole.images = {"apt-layer", "pip-layer"};
  whole.cordoned = true;
  const ImagePlan plan = Plan({half, other_half, whole});
  EXPECT_EQ(plan.kind, ImagePlan::Kind::kReady);
  ASSERT_EQ(plan.layers.size(), 2u);
  EXPECT_EQ(plan.layers[1].digest, "pip-layer");
}

TEST_F(PlanImageTest, WhatOnlyASilentNodeHasIsBuiltAgainUnlessItCanBePulled) {
  Built(0, "base", "apt-layer");
  Built(1, "apt-layer", "pip-layer");
  Node silent = MakeNode("a");
  silent.images = {"apt-layer", "pip-layer"};
  silent.state = NodeState::kNotReady;
  const ImagePlan plan = Plan({silent, MakeNode("b")});
  EXPECT_EQ(plan.kind, ImagePlan::Kind::kBuild);
  EXPECT_EQ(plan.known_layers, 1);
  EXPECT_EQ(Plan({silent, MakeNode("b")}, true).kind, ImagePlan::Kind::kReady);
}

TEST_F(PlanImageTest, WaitsWhileNoNodeTakesBuilds) {
  Node cordoned = MakeNode("a");
  cordoned.cordoned = true;
  Node full = MakeNode("b");
  full.not_schedulable_reason = "DISK_FULL: …";
  Node builds_nothing = MakeNode("c");
  builds_nothing.details.clear();
  const ImagePlan plan = Plan({cordoned, full, builds_nothing});
  EXPECT_EQ(plan.kind, ImagePlan::Kind::kWait);
  EXPECT_THAT(plan.message, HasSubstr("3 nodes"));
  EXPECT_EQ(Plan({}).kind, ImagePlan::Kind::kWait);
}

TEST_F(PlanImageTest, AmongEqualNodesTheEmptierAndTheOneThatDidntFail) {
  Node busy = MakeNode("a");
  busy.used.memory_bytes = 500;
  EXPECT_EQ(Plan({busy, MakeNode("b")}).nodes[0].id.value(), "b");
  doubtful_ = NodeId("b");
  const ImagePlan plan = Plan({busy, MakeNode("b")});
  ASSERT_EQ(plan.nodes.size(), 2u);
  EXPECT_EQ(plan.nodes[0].id.value(), "a");
}

TEST_F(PlanImageTest, WhereLayersCanBePulledItStillGoesOnWhereTheyAre) {
  Built(0, "base", "apt-layer");
  Node has_it = MakeNode("b");
  has_it.images = {"apt-layer"};
  has_it.used.cpu_millis = 900;
  const ImagePlan plan = Plan({MakeNode("a"), has_it, MakeNode("c")}, true);
  EXPECT_EQ(plan.step.manager, "pip");
  ASSERT_EQ(plan.nodes.size(), 3u);
  EXPECT_EQ(plan.nodes[0].id, has_it.id);
}

TEST_F(PlanImageTest, ALayerWithForeignHostsIsPassedOverUnderAnotherKey) {
  Built(0, "base", "apt-layer", {"elsewhere.example"});
  Node node = MakeNode("a");
  node.images = {"apt-layer"};
  EXPECT_EQ(Plan({node}).step.manager, "pip") << "unrestricted: it may";
  auto& cloud = std::get<CloudConfig>(environment_.config);
  cloud.networking = LimitedNetwork{{}, false, true};
  const ImagePlan plan = Plan({node});
  EXPECT_EQ(plan.step.manager, "apt");
  EXPECT_EQ(layers_.count(plan.cache_key), 1u) << "looked up";
  EXPECT_TRUE(layers_[plan.cache_key].empty());
  cloud.networking = LimitedNetwork{{"*.example"}, false, true};
  EXPECT_EQ(Plan({node}).step.manager, "pip");
}

TEST_F(PlanImageTest, WithoutPackagesItIsReadyAtOnce) {
  environment_.config = CloudConfig();
  const ImagePlan plan = Plan({});
  EXPECT_EQ(plan.kind, ImagePlan::Kind::kReady);
  EXPECT_TRUE(plan.layers.empty());
}

}  // namespace
}  // namespace paddock
