#include "controlplane/store/pg_node_store.h"

#include "tests/integration/store_fixture.h"

namespace paddock {
namespace {

class NodeStoreTest : public StoreTest {
 protected:
  NodeStore& nodes() { return *stores().nodes; }

  HeartbeatReport Beat(const NodeRegistration& node, int64_t sequence, int64_t applied = 0) {
    HeartbeatReport report;
    report.id = node.id;
    report.epoch = node.epoch;
    report.sequence = sequence;
    report.applied_revision = applied;
    return report;
  }

  HeartbeatOutcome Write(const HeartbeatReport& report) {
    auto outcomes = nodes().WriteHeartbeats({&report});
    EXPECT_TRUE(outcomes.ok()) << outcomes.status();
    return outcomes.ok() ? (*outcomes)[0] : HeartbeatOutcome();
  }

  std::optional<std::vector<PlacementState>> Placements(const NodeStore::PlacementQuery& query) {
    auto answers = nodes().Placements({query});
    EXPECT_TRUE(answers.ok()) << answers.status();
    return answers.ok() ? (*answers)[0] : std::nullopt;
  }
};

TEST_F(NodeStoreTest, RegistersAndReadsBackWhatANodeSays) {
  NodeRegistration node = NewNode("node-1");
  node.labels = {{"zone", "a \"quoted\" {label}"}};
  node.runtime_classes = {"crun", "runsc"};
  node.images = {"sha256:1"};
  node.base_image = "sha256:base";
  node.details = {{"volumes", "btrfs"}};
  ASSERT_TRUE(nodes().Register(node).ok());
  const Node read = GetNode(node.id);
  EXPECT_EQ(read.name, "node-1");
  EXPECT_EQ(read.labels, node.labels);
  EXPECT_EQ(read.runtime_classes, node.runtime_classes);
  EXPECT_EQ(read.images, node.images);
  EXPECT_EQ(read.base_image, "sha256:base");
  EXPECT_EQ(read.details, node.details);
  EXPECT_EQ(read.capacity.memory_bytes, 1000 * kMiB);
  EXPECT_EQ(read.state, NodeState::kReady);
  EXPECT_EQ(nodes().Get(NodeId("node_x")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(NodeStoreTest, AnOlderEpochIsSupersededAndChangesNothing) {
  NodeRegistration node = MakeNode("node-1");
  NodeRegistration newer = node;
  newer.epoch = "epoch-2";
  newer.address = "elsewhere:1";
  ASSERT_FALSE(nodes().Register(newer)->superseded);
  EXPECT_TRUE(nodes().Register(node)->superseded);
  EXPECT_EQ(GetNode(node.id).address, "elsewhere:1");
  EXPECT_EQ(Write(Beat(node, 1)).kind, HeartbeatOutcome::Kind::kSuperseded);
  EXPECT_EQ(Write(Beat(newer, 1)).kind, HeartbeatOutcome::Kind::kWritten);
  EXPECT_FALSE(Placements({node.id, "epoch-1", 0, {}}).has_value());
  EXPECT_TRUE(Placements({node.id, "epoch-2", 0, {}}).has_value());
}

TEST_F(NodeStoreTest, RebootIsToldByTheBootId) {
  NodeRegistration node = MakeNode("node-1");
  node.epoch = "epoch-2";
  EXPECT_FALSE(nodes().Register(node)->rebooted);
  node.epoch = "epoch-3";
  node.boot_id = "boot-2";
  EXPECT_TRUE(nodes().Register(node)->rebooted);
}

TEST_F(NodeStoreTest, OlderSequencesAreDropped) {
  const NodeRegistration node = MakeNode("node-1");
  EXPECT_EQ(Write(Beat(node, 5)).kind, HeartbeatOutcome::Kind::kWritten);
  const int64_t counter = GetNode(node.id).heartbeat_counter;
  EXPECT_EQ(Write(Beat(node, 5)).kind, HeartbeatOutcome::Kind::kOld);
  EXPECT_EQ(Write(Beat(node, 4)).kind, HeartbeatOutcome::Kind::kOld);
  EXPECT_EQ(GetNode(node.id).heartbeat_counter, counter);
  EXPECT_EQ(Write(Beat(node, 6)).kind, HeartbeatOutcome::Kind::kWritten);
}

TEST_F(NodeStoreTest, ABatchAnswersEachNode) {
  const NodeRegistration a = MakeNode("a");
  const NodeRegistration b = MakeNode("b");
  const NodeRegistration unknown = NewNode("c");
  const HeartbeatReport first = Beat(b, 1), second = Beat(unknown, 1), third = Beat(a, 1);
  auto outcomes = nodes().WriteHeartbeats({&first, &second, &third});
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  EXPECT_EQ((*outcomes)[0].kind, HeartbeatOutcome::Kind::kWritten);
  EXPECT_EQ((*outcomes)[1].kind, HeartbeatOutcome::Kind::kUnknown);
  EXPECT_EQ((*outcomes)[2].kind, HeartbeatOutcome::Kind::kWritten);
  EXPECT_EQ((*outcomes)[2].revision, 1);
}

TEST_F(NodeStoreTest, DesiredTellsRunsAndStopsAboveARevision) {
  const Environment environment = MakeEnvironment("env");
  const NodeRegistration node = MakeNode("node-1");
  const CreatedSession first = MakeSession(environment, {node.id});
  const CreatedSession second = MakeSession(environment, {node.id});
  auto desired = nodes().Desired(node.id, first.run->node_revision);
  ASSERT_EQ(desired->size(), 1u);
  const SessionSpec& spec = std::get<SessionSpec>((*desired)[0].desired);
  EXPECT_EQ(spec.session_id, second.session.id);
  EXPECT_EQ(spec.tenant, tenant_);
  EXPECT_FALSE(spec.network.limited);
  EXPECT_EQ(spec.limits.disk_bytes, 64 * kMiB);
  ASSERT_TRUE(stores().sessions->Delete(tenant_, first.session.id).ok());
  desired = nodes().Desired(node.id, second.run->node_revision);
  ASSERT_EQ(desired->size(), 1u);
  EXPECT_EQ(std::get<SessionStop>((*desired)[0].desired).session_id, first.session.id);
  EXPECT_EQ(nodes().Desired(node.id, 0)->size(), 2u);
}

TEST_F(NodeStoreTest, PlacementsOfManyNodesAreThoseAboveARevisionAndOfNamedSessions) {
  const Environment environment = MakeEnvironment("env");
  const NodeRegistration a = MakeNode("a"), b = MakeNode("b");
  const CreatedSession first = MakeSession(environment, {a.id});
  const CreatedSession second = MakeSession(environment, {a.id});
  const CreatedSession third = MakeSession(environment, {a.id});
  const CreatedSession other = MakeSession(environment, {b.id});
  MakeRunning(third);
  const int64_t after = second.run->node_revision;
  const NodeId unknown = NewNode("c").id;
  auto answers = nodes().Placements({{a.id, "epoch-1", after, {first.session.id, other.session.id}},
                                     {unknown, "epoch-1", 0, {}},
                                     {b.id, "epoch-1", 0, {other.session.id}},
                                     {b.id, "epoch-0", 0, {}}});
  ASSERT_TRUE(answers.ok()) << answers.status();
  ASSERT_EQ(answers->size(), 4u);
  std::map<SessionId, std::optional<SessionPhase>> phases;
  for (const PlacementState& found : *(*answers)[0]) phases[found.session_id] = found.phase;
  EXPECT_EQ(phases.size(), 2u);
  EXPECT_EQ(phases[third.session.id], SessionPhase::kRunning);
  EXPECT_EQ(phases[first.session.id], SessionPhase::kStarting);
  EXPECT_FALSE((*answers)[1].has_value());
  ASSERT_EQ((*answers)[2]->size(), 1u);
  EXPECT_FALSE((*answers)[3].has_value());
  ASSERT_TRUE(stores().sessions->Delete(tenant_, other.session.id).ok());
  const auto stopped = Placements({b.id, "epoch-1", other.run->node_revision, {}});
  ASSERT_EQ(stopped->size(), 1u);
  EXPECT_TRUE(stopped->front().stop);
  EXPECT_EQ(stopped->front().stop_reason, "DELETED");
  EXPECT_FALSE(stopped->front().phase.has_value());
}

TEST_F(NodeStoreTest, TheFleetIsReadAsItIsNow) {
  NodeRegistration a = MakeNode("a");
  const NodeRegistration b = MakeNode("b");
  EXPECT_EQ(nodes().ListAll()->size(), 2u);
  a.epoch = "epoch-2";
  a.labels = {{"zone", "b"}};
  ASSERT_TRUE(nodes().Register(a).ok());
  ASSERT_TRUE(nodes().WriteImages({{a.id, {"sha256:1"}}, {b.id, {"sha256:2"}}}).ok());
  ASSERT_TRUE(nodes().SetCordoned(b.id, true).ok());
  std::map<NodeId, Node> read;
  const auto all = nodes().ListAll();
  ASSERT_TRUE(all.ok()) << all.status();
  for (const Node& node : *all) read[node.id] = node;
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[a.id].labels, a.labels);
  EXPECT_EQ(read[a.id].epoch, "epoch-2");
  EXPECT_EQ(read[a.id].images, std::vector<std::string>{"sha256:1"});
  EXPECT_EQ(read[b.id].images, std::vector<std::string>{"sha256:2"});
  EXPECT_EQ(read[b.id].name, "b");
  EXPECT_TRUE(read[b.id].cordoned);
  ASSERT_TRUE(nodes().MarkGone(a.id).ok());
  EXPECT_EQ(nodes().ListAll()->size(), 1u);
}

TEST_F(NodeStoreTest, AbsenceCountsOnlyOfTheNewestEpoch) {
  const Environment environment = MakeEnvironment("env");
  NodeRegistration node = MakeNode("node-1");
  const CreatedSession created = MakeSession(environment, {node.id});
  ASSERT_TRUE(stores().sessions->Delete(tenant_, created.session.id).ok());
  const std::vector<NodeStore::Absent> absent = {{created.session.id, 1}};
  ASSERT_TRUE(nodes().ReleaseAbsent(node.id, "epoch-0", absent).ok());
  EXPECT_EQ(GetNode(node.id).used.sessions, 1);
  ASSERT_TRUE(nodes().ReleaseAbsent(node.id, "epoch-1", absent).ok());
  ASSERT_TRUE(nodes().ReleaseAbsent(node.id, "epoch-1", absent).ok());
  EXPECT_EQ(GetNode(node.id).used.sessions, 0);
  EXPECT_TRUE(nodes().Desired(node.id, 0)->empty());
}

TEST_F(NodeStoreTest, RestartTakesTheNextGenerationAndTheSameCharge) {
  const Environment environment = MakeEnvironment("env");
  const NodeRegistration node = MakeNode("node-1");
  const CreatedSession created = MakeSession(environment, {node.id});
  MakeRunning(created);
  const NodeStore::Absent session = {created.session.id, 1};
  EXPECT_FALSE(*nodes().RestartSession(node.id, "epoch-0", session, "NODE_REBOOTED", ""));
  auto restarted = nodes().RestartSession(node.id, "epoch-1", session, "NODE_REBOOTED", "");
  ASSERT_TRUE(restarted.ok()) << restarted.status();
  EXPECT_TRUE(*restarted);
  EXPECT_FALSE(*nodes().RestartSession(node.id, "epoch-1", session, "NODE_REBOOTED", ""));
  EXPECT_EQ(GetNode(node.id).used.sessions, 1);
  auto desired = nodes().Desired(node.id, 0);
  ASSERT_EQ(desired->size(), 1u);
  const SessionSpec& spec = std::get<SessionSpec>((*desired)[0].desired);
  EXPECT_EQ(spec.generation, 2);
  EXPECT_TRUE(spec.keep_volume);
  const Session read = *stores().sessions->Get(tenant_, created.session.id);
  EXPECT_EQ(read.state, SessionPhase::kStarting);
  EXPECT_EQ(read.reason, "NODE_REBOOTED");
}

TEST_F(NodeStoreTest, DrainCordonsAndUncordonEndsIt) {
  const NodeRegistration node = MakeNode("node-1");
  auto draining = nodes().SetDraining(node.id, absl::Minutes(1));
  ASSERT_TRUE(draining.ok()) << draining.status();
  EXPECT_TRUE(draining->cordoned);
  EXPECT_TRUE(draining->draining);
  EXPECT_TRUE(draining->drain_deadline.has_value());
  EXPECT_FALSE(nodes().SetDraining(node.id, std::nullopt)->drain_deadline.has_value());
  auto free = nodes().SetCordoned(node.id, false);
  EXPECT_FALSE(free->cordoned);
  EXPECT_FALSE(free->draining);
  EXPECT_EQ(nodes().GetDrainProgress(NewNode("x").id).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(NodeStoreTest, AGoneMachineEndsKeepSessionsAndFreesTheOthers) {
  const Environment environment = MakeEnvironment("env");
  const NodeRegistration node = MakeNode("node-1");
  const CreatedSession keep = MakeSession(environment, {node.id});
  NewSession request = NewSessionOf(environment, {node.id});
  request.session.on_node_loss = OnNodeLoss::kReschedule;
  const auto moving = stores().sessions->Create(request, {});
  MakeRunning(keep);
  MakeRunning(*moving);
  ASSERT_TRUE(nodes().MarkGone(node.id).ok());
  EXPECT_EQ(nodes().MarkGone(node.id).code(), absl::StatusCode::kNotFound);
  const Session ended = *stores().sessions->Get(tenant_, keep.session.id);
  EXPECT_EQ(ended.state, SessionPhase::kTerminated);
  EXPECT_EQ(ended.reason, "NODE_LOST");
  EXPECT_EQ(stores().sessions->Get(tenant_, moving->session.id)->state,
            SessionPhase::kRescheduling);
  auto queue = stores().fleet->Queue(10);
  ASSERT_EQ(queue->size(), 1u);
  EXPECT_EQ((*queue)[0].id, moving->session.id);
  const HeartbeatReport late = Beat(node, 9);
  EXPECT_EQ(Write(late).kind, HeartbeatOutcome::Kind::kUnknown);
}

TEST_F(NodeStoreTest, AMachineThatBeatsAgainIsNotGone) {
  const Environment environment = MakeEnvironment("env");
  const NodeRegistration node = MakeNode("node-1");
  const CreatedSession keep = MakeSession(environment, {node.id});
  MakeRunning(keep);
  const int64_t counter = nodes().Get(node.id)->heartbeat_counter;
  ASSERT_EQ(Write(Beat(node, 1)).kind, HeartbeatOutcome::Kind::kWritten);
  EXPECT_FALSE(*nodes().MarkSilentGone(node.id, counter));
  EXPECT_EQ(stores().sessions->Get(tenant_, keep.session.id)->state, SessionPhase::kRunning);
  EXPECT_TRUE(*nodes().MarkSilentGone(node.id, nodes().Get(node.id)->heartbeat_counter));
  EXPECT_EQ(stores().sessions->Get(tenant_, keep.session.id)->reason, "NODE_LOST");
  EXPECT_FALSE(*nodes().MarkSilentGone(node.id, counter)) << "unknown by now";
  EXPECT_FALSE(*nodes().MarkSilentGone(NodeId("node_x"), counter));
}

TEST_F(NodeStoreTest, LeasesHaveOneHolderUntilTheyExpire) {
  FleetStore& fleet = *stores().fleet;
  EXPECT_TRUE(*fleet.TakeLease("task", "a", absl::Minutes(1)));
  EXPECT_FALSE(*fleet.TakeLease("task", "b", absl::Minutes(1)));
  EXPECT_TRUE(*fleet.TakeLease("task", "a", absl::Microseconds(1)));
  EXPECT_TRUE(*fleet.TakeLease("task", "b", absl::Minutes(1)));
  ASSERT_TRUE(fleet.ReleaseLease("task", "a").ok());  // Not its own.
  EXPECT_FALSE(*fleet.TakeLease("task", "a", absl::Minutes(1)));
  ASSERT_TRUE(fleet.ReleaseLease("task", "b").ok());
  EXPECT_TRUE(*fleet.TakeLease("task", "a", absl::Minutes(1)));
}

TEST_F(NodeStoreTest, NodesAreListedNewestFirst) {
  const NodeRegistration a = MakeNode("a");
  const NodeRegistration b = MakeNode("b");
  const NodeRegistration c = MakeNode("c");
  auto page = nodes().List({2, ""});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_TRUE(page->has_more);
  EXPECT_EQ(page->items[0].id, c.id);
  page = nodes().List({2, page->items[1].id.value()});
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_EQ(page->items[0].id, a.id);
  EXPECT_FALSE(page->has_more);
  EXPECT_EQ(nodes().ListAll()->size(), 3u);
}

}  // namespace
}  // namespace paddock
