// Images that nobody has any more: their node is gone, they were collected, or the nodes' common
// registry has lost them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/image_api_fixture.h"

namespace paddock::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

InProcessReplica::Options SoonLost() {
  InProcessReplica::Options options = Quick();
  options.settings.not_ready_after = absl::Seconds(1);
  options.settings.fence_after = absl::Milliseconds(1500);
  options.settings.lost_after = absl::Milliseconds(2500);
  return options;
}

InProcessReplica::Options WithRegistry() {
  InProcessReplica::Options options = SoonLost();
  options.settings.images_can_be_pulled = true;
  return options;
}

class ImageLossTest : public ImageApiTest {
 protected:
  explicit ImageLossTest(const InProcessReplica::Options& options = SoonLost())
      : ImageApiTest(options) {
    // So many that the loss of one isn't taken for an outage.
    for (int i = 0; i < 3; ++i) others_.push_back(NewAgent());
  }

  std::vector<FakeNodeAgent*> Nodes() {
    std::vector<FakeNodeAgent*> nodes = {node_.get()};
    for (const auto& other : others_) nodes.push_back(other.get());
    return nodes;
  }
  // The node with that id; fails the test when there is none.
  FakeNodeAgent& NodeOf(const v1::Session& session) {
    for (FakeNodeAgent* node : Nodes()) {
      if (node->node_id() == session.node_id()) return *node;
    }
    ADD_FAILURE() << session.ShortDebugString();
    return *node_;
  }

  v1::Session Run(const std::string& environment_id, v1::OnNodeLoss on_node_loss) {
    v1::CreateSessionRequest request;
    request.set_environment_id(environment_id);
    request.set_on_node_loss(on_node_loss);
    request.mutable_wait()->set_seconds(20);
    const auto session = client_.CreateSession(request);
    EXPECT_TRUE(session.ok()) << session.status();
    return session.value_or(v1::Session());
  }
  v1::Session Get(const std::string& session_id) {
    return client_.GetSession(session_id).value_or(v1::Session());
  }
  // The session once it runs in a later generation.
  v1::Session MovedOn(const v1::Session& before) {
    EXPECT_TRUE(Eventually([&] {
      const v1::Session now = Get(before.id());
      return now.state() == v1::SESSION_STATE_RUNNING && now.generation() > before.generation();
    })) << Get(before.id()).ShortDebugString();
    return Get(before.id());
  }
  v1::EnvironmentImage ImageOf(const std::string& environment_id) {
    return ImageApiTest::Get(environment_id).image();
  }
  void Cordon(const FakeNodeAgent& agent) {
    v1::CordonNodeRequest request;
    request.set_node_id(agent.node_id());
    v1::Node node;
    ASSERT_TRUE(client_.admin().CordonNode(client_.Context().get(), request, &node).ok());
    // Builds go by a view of the nodes that each pass of the reconciler renews.
    const double passes = Counted("paddock_reconcile_seconds");
    EXPECT_TRUE(Eventually([&] { return Counted("paddock_reconcile_seconds") >= passes + 2; }));
  }

  std::vector<std::unique_ptr<FakeNodeAgent>> others_;
};

TEST_F(ImageLossTest, ARescheduledSessionGetsItsImageBuiltAgain) {
  const std::string id = Create(With("e", "jq", "pandas")).id();
  const std::string digest = Reach(id, v1::IMAGE_STATE_READY).digest();
  const v1::Session session = Run(id, v1::ON_NODE_LOSS_RESCHEDULE);
  ASSERT_EQ(session.state(), v1::SESSION_STATE_RUNNING) << session.ShortDebugString();
  FakeNodeAgent& lost = NodeOf(session);
  lost.Stop();
  const v1::Session moved = MovedOn(session);
  EXPECT_NE(moved.node_id(), session.node_id());
  EXPECT_EQ(moved.state_reason(), "");
  const v1::EnvironmentImage image = ImageOf(id);
  EXPECT_EQ(image.state(), v1::IMAGE_STATE_READY);
  EXPECT_NE(image.digest(), digest);
  EXPECT_EQ(NodeOf(moved).SpecOf(session.id()).image_digest(), image.digest());
  EXPECT_THAT(NodeOf(moved).builds(), ElementsAre("apt jq", "pip pandas"));
}

TEST_F(ImageLossTest, SoDoesOneOfAnArchivedEnvironment) {
  const std::string id = Create(With("e", "jq", "")).id();
  Reach(id, v1::IMAGE_STATE_READY);
  const v1::Session session = Run(id, v1::ON_NODE_LOSS_RESCHEDULE);
  v1::ArchiveEnvironmentRequest archive;
  archive.set_environment_id(id);
  v1::Environment environment;
  ASSERT_TRUE(client_.environments()
                  .ArchiveEnvironment(client_.Context().get(), archive, &environment)
                  .ok());
  NodeOf(session).Stop();
  EXPECT_NE(MovedOn(session).node_id(), session.node_id());
}

TEST_F(ImageLossTest, ANewSessionOfAnImageThatOnlyALostNodeHasDoesNotWaitForIt) {
  const std::string id = Create(With("e", "jq", "")).id();
  Reach(id, v1::IMAGE_STATE_READY);
  const v1::Session session = Run(id, v1::ON_NODE_LOSS_KEEP);
  NodeOf(session).Stop();
  ASSERT_TRUE(Eventually([&] { return !Get(session.id()).node_reachable(); }));
  // Silent, and not lost yet: the image may be there again in a moment.
  const v1::Session next = Run(id, v1::ON_NODE_LOSS_KEEP);
  EXPECT_EQ(next.state(), v1::SESSION_STATE_RUNNING) << next.ShortDebugString();
  EXPECT_NE(next.node_id(), session.node_id());
  EXPECT_EQ(Get(session.id()).state(), v1::SESSION_STATE_RUNNING) << "KEEP is never moved";
}

TEST_F(ImageLossTest, ASessionWhoseImageCannotBeMadeAgainEndsWithTheReason) {
  const std::string id = Create(With("e", "", "pandas")).id();
  Reach(id, v1::IMAGE_STATE_READY);
  const v1::Session session = Run(id, v1::ON_NODE_LOSS_RESCHEDULE);
  v1::UpdateEnvironmentRequest update;
  update.set_environment_id(id);
  update.mutable_config()->mutable_cloud()->mutable_packages()->add_pip("bad");
  v1::Environment environment;
  ASSERT_TRUE(
      client_.environments().UpdateEnvironment(client_.Context().get(), update, &environment).ok());
  Reach(id, v1::IMAGE_STATE_FAILED);
  NodeOf(session).Stop();
  EXPECT_TRUE(
      Eventually([&] { return Get(session.id()).state() == v1::SESSION_STATE_TERMINATED; }));
  EXPECT_THAT(Get(session.id()).state_reason(), HasSubstr("IMAGE_BUILD_FAILED"));
  EXPECT_THAT(Get(session.id()).state_reason(), HasSubstr("no such package"));
}

TEST_F(ImageLossTest, AStartWhoseNodeHasCollectedTheImageIsTriedWithANewOne) {
  for (FakeNodeAgent* node : Nodes()) node->CheckImages(nullptr);
  const std::string id = Create(With("e", "jq", "")).id();
  const std::string digest = Reach(id, v1::IMAGE_STATE_READY).digest();
  // Before the control plane can have heard of it.
  for (FakeNodeAgent* node : Nodes()) node->Forget(digest);
  const v1::Session session = Run(id, v1::ON_NODE_LOSS_KEEP);
  EXPECT_EQ(session.state(), v1::SESSION_STATE_RUNNING) << session.ShortDebugString();
  EXPECT_NE(NodeOf(session).SpecOf(session.id()).image_digest(), digest);
}

class LayerRegistryLossTest : public ImageLossTest {
 protected:
  LayerRegistryLossTest() : ImageLossTest(WithRegistry()) {
    for (FakeNodeAgent* node : Nodes()) node->CheckImages(&registry_);
  }
  // All but the node that built must serve.
  FakeNodeAgent& Builder() {
    for (FakeNodeAgent* node : Nodes()) {
      if (!node->builds().empty()) return *node;
    }
    return *node_;
  }
  FakeLayerRegistry registry_;
};

TEST_F(LayerRegistryLossTest, AnImageIsPulledByNodesThatLackIt) {
  const std::string id = Create(With("e", "jq", "")).id();
  const std::string digest = Reach(id, v1::IMAGE_STATE_READY).digest();
  FakeNodeAgent& builder = Builder();
  Cordon(builder);
  const v1::Session session = Run(id, v1::ON_NODE_LOSS_KEEP);
  ASSERT_EQ(session.state(), v1::SESSION_STATE_RUNNING) << session.ShortDebugString();
  EXPECT_NE(session.node_id(), builder.node_id());
  EXPECT_EQ(NodeOf(session).SpecOf(session.id()).image_digest(), digest);
  EXPECT_THAT(NodeOf(session).builds(), IsEmpty());
}

TEST_F(LayerRegistryLossTest, ASessionOfALayerThatTheRegistryHasLostGetsItBuiltAgain) {
  const std::string id = Create(With("e", "jq", "pandas")).id();
  const std::string digest = Reach(id, v1::IMAGE_STATE_READY).digest();
  // Its layers may have been built on several nodes.
  for (FakeNodeAgent* node : Nodes()) {
    if (!node->builds().empty()) Cordon(*node);
  }
  registry_.Lose();
  const v1::Session session = Run(id, v1::ON_NODE_LOSS_KEEP);
  ASSERT_EQ(session.state(), v1::SESSION_STATE_RUNNING) << session.ShortDebugString();
  const v1::EnvironmentImage image = ImageOf(id);
  EXPECT_NE(image.digest(), digest);
  EXPECT_EQ(NodeOf(session).SpecOf(session.id()).image_digest(), image.digest());
  // Others find it again.
  const v1::Session next = Run(id, v1::ON_NODE_LOSS_KEEP);
  EXPECT_EQ(next.state(), v1::SESSION_STATE_RUNNING) << next.ShortDebugString();
  EXPECT_EQ(next.generation(), 1);
}

TEST_F(LayerRegistryLossTest, ABuildOnALayerThatTheRegistryHasLostBuildsThatToo) {
  Reach(Create(With("first", "jq", "")).id(), v1::IMAGE_STATE_READY);
  FakeNodeAgent& builder = Builder();
  Cordon(builder);
  registry_.Lose();
  const std::string id = Create(With("second", "jq", "pandas")).id();
  EXPECT_EQ(Reach(id, v1::IMAGE_STATE_READY).layers_size(), 2);
  std::vector<std::string> builds;
  for (FakeNodeAgent* node : Nodes()) {
    if (node == &builder) continue;
    for (const std::string& build : node->builds()) builds.push_back(build);
  }
  EXPECT_THAT(builds, ::testing::UnorderedElementsAre("pip pandas", "apt jq", "pip pandas"));
}

}  // namespace
}  // namespace paddock::testing
