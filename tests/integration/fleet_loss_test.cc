// What must hold when nodes fall silent, fail or come back: the control plane with a real
// PostgreSQL and pretended node agents.
#include "tests/integration/fleet_fixture.h"

namespace paddock {
namespace {

using Behaviour = FakeFleet::Behaviour;

class FleetLossTest : public FleetTest {
 protected:
  bool IsRunning(const SessionId& id, int64_t generation) {
    const Session session = Get(id);
    return session.state == SessionPhase::kRunning && session.generation == generation;
  }

  // Silent for so long that it would have been declared lost several times over.
  bool LongSilent(const NodeId& node) {
    absl::StatusOr<Node> read = control_plane_->nodes()->Get(node);
    return read.ok() && read->silent_for > settings_.lost_after * 2;
  }

  // A RESCHEDULE session on each of `nodes`, by the number of their sessions.
  std::vector<SessionId> OneOnEach(const std::vector<NodeId>& nodes) {
    std::vector<SessionId> sessions;
    for (size_t i = 0; i < nodes.size(); ++i) {
      absl::StatusOr<Session> session = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
      EXPECT_TRUE(session.ok()) << session.status();
      if (session.ok()) sessions.push_back(session->id);
    }
    return sessions;
  }
};

TEST_F(FleetLossTest, NothingIsMovedWhileMoreThanAThirdAreSilent) {
  const std::vector<NodeId> nodes = {AddNode("a", 1), AddNode("b", 1), AddNode("c", 1)};
  const std::vector<SessionId> sessions = OneOnEach(nodes);
  AddNode("d", 100);
  fleet_.Set(nodes[0], Behaviour::kUnreachable);
  fleet_.Set(nodes[1], Behaviour::kUnreachable);
  ASSERT_TRUE(Eventually([&] { return LongSilent(nodes[0]) && LongSilent(nodes[1]); }));
  for (const SessionId& id : sessions) EXPECT_EQ(Get(id).generation, 1);
  // One of them answers again: the other is a node like any other now.
  fleet_.Set(nodes[0], Behaviour::kRun);
  fleet_.Fence(nodes[1]);
  EXPECT_TRUE(Eventually([&] {
    int moved = 0;
    for (const SessionId& id : sessions) moved += IsRunning(id, 2) ? 1 : 0;
    return moved == 1;
  }));
}

TEST_F(FleetLossTest, AnOutageOfEveryReplicaDeclaresNobodyLostWhenItEnds) {
  const std::vector<NodeId> nodes = {AddNode("a"), AddNode("b"), AddNode("c"), AddNode("d")};
  const std::vector<SessionId> sessions = OneOnEach(nodes);
  control_plane_->StopReconciling();
  for (const NodeId& node : nodes) fleet_.Set(node, Behaviour::kUnreachable);
  ASSERT_TRUE(Eventually([&] { return LongSilent(nodes[0]) && LongSilent(nodes[3]); }));
  std::unique_ptr<ControlPlane> next = MakeReplica();
  next->Start();
  // All but one are back at once; the last one is within its time.
  for (size_t i = 0; i + 1 < nodes.size(); ++i) fleet_.Set(nodes[i], Behaviour::kRun);
  ASSERT_TRUE(Eventually([&] {
    return control_plane_->nodes()->Get(nodes[0])->silent_for < settings_.not_ready_after;
  }));
  const absl::Duration back_at = Clock::Real()->Monotonic() + settings_.lost_after / 3;
  ASSERT_TRUE(Eventually([&] { return Clock::Real()->Monotonic() > back_at; }));
  fleet_.Set(nodes[3], Behaviour::kRun);
  const absl::Duration later = Clock::Real()->Monotonic() + settings_.lost_after;
  ASSERT_TRUE(Eventually([&] { return Clock::Real()->Monotonic() > later; }));
  for (const SessionId& id : sessions) EXPECT_TRUE(IsRunning(id, 1)) << id.value();
  next->StopReconciling();
  executor_.Join();
}

TEST_F(FleetLossTest, AKeepSessionThatNeverStartedEndsWithItsNodesLoss) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> old = Create();
  ASSERT_TRUE(old.ok()) << old.status();
  fleet_.Set(a, Behaviour::kUnreachable);
  absl::StatusOr<Session> session = Create(absl::ZeroDuration());
  ASSERT_TRUE(session.ok()) << session.status();
  for (const char* name : {"b", "c", "d"}) AddNode(name);
  EXPECT_TRUE(Eventually([&] { return Get(session->id).state == SessionPhase::kTerminated; }));
  EXPECT_EQ(Get(session->id).reason, "NODE_LOST");
  EXPECT_EQ(Get(old->id).state, SessionPhase::kRunning) << "it ran, so it is waited for";
  EXPECT_EQ(Used(a), 2);
  fleet_.Set(a, Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return Used(a) == 1; }));
  EXPECT_EQ(fleet_.GenerationOn(a, session->id), 0);
  EXPECT_EQ(fleet_.GenerationOn(a, old->id), 1);
}

TEST_F(FleetLossTest, ANodeWhoseCallsFailIsTheLastChoice) {
  const NodeId a = AddNode("a");
  fleet_.Set(a, Behaviour::kDeaf);
  absl::StatusOr<Session> first = Create(absl::ZeroDuration());
  ASSERT_TRUE(first.ok()) << first.status();
  // A heartbeat brings what the call couldn't.
  EXPECT_TRUE(Eventually([&] { return IsRunning(first->id, 1); }));
  const NodeId b = AddNode("b");
  ASSERT_TRUE(Eventually([&] { return Create(absl::ZeroDuration())->node_id == b; }));
  for (int i = 0; i < 5; ++i) {
    absl::StatusOr<Session> session = Create();
    ASSERT_TRUE(session.ok()) << session.status();
    EXPECT_EQ(session->node_id, b);
    EXPECT_EQ(session->state, SessionPhase::kRunning);
  }
}

TEST_F(FleetLossTest, ANodeWhereStartsFailIsTheLastChoice) {
  const NodeId a = AddNode("a");
  fleet_.Set(a, Behaviour::kFail);
  absl::StatusOr<Session> failed = Create();
  ASSERT_TRUE(failed.ok()) << failed.status();
  EXPECT_EQ(failed->reason, "START_FAILED");
  const NodeId b = AddNode("b");
  ASSERT_TRUE(Eventually([&] { return Create()->node_id == b; }));
  for (int i = 0; i < 5; ++i) {
    absl::StatusOr<Session> session = Create();
    ASSERT_TRUE(session.ok()) << session.status();
    EXPECT_EQ(session->node_id, b);
  }
}

TEST_F(FleetLossTest, EverySessionCanBeDeletedInEveryStateWhetherItsNodeAnswersOrNot) {
  std::map<SessionPhase, SessionId> sessions;
  sessions[SessionPhase::kPending] = Create(absl::ZeroDuration())->id;
  const NodeId a = AddNode("a");
  ASSERT_TRUE(Eventually(
      [&] { return Get(sessions[SessionPhase::kPending]).state == SessionPhase::kRunning; }));
  sessions[SessionPhase::kRunning] = sessions[SessionPhase::kPending];
  sessions[SessionPhase::kRescheduling] = Create(absl::Seconds(10), OnNodeLoss::kReschedule)->id;
  sessions[SessionPhase::kStopping] = Create()->id;
  sessions[SessionPhase::kTerminated] = Create()->id;
  ASSERT_TRUE(Archive(sessions[SessionPhase::kTerminated]).ok());
  fleet_.Set(a, Behaviour::kUnreachable);
  sessions[SessionPhase::kStarting] = Create(absl::ZeroDuration())->id;
  ASSERT_TRUE(Archive(sessions[SessionPhase::kStopping]).ok());
  ASSERT_TRUE(control_plane_->nodes()->StartDrain(a, std::nullopt).ok());
  ASSERT_TRUE(Eventually([&] {
    return Get(sessions[SessionPhase::kRescheduling]).state == SessionPhase::kRescheduling;
  }));
  sessions[SessionPhase::kPending] = Create(absl::ZeroDuration())->id;
  for (const auto& [phase, id] : sessions) {
    EXPECT_EQ(SessionPhaseName(Get(id).state), SessionPhaseName(phase));
    EXPECT_TRUE(control_plane_->sessions()->Delete(tenant_, id).ok()) << SessionPhaseName(phase);
    EXPECT_TRUE(absl::IsNotFound(control_plane_->sessions()->Get(tenant_, id).status()));
  }
  EXPECT_TRUE(control_plane_->environments()->Delete(tenant_, environment_.id).ok())
      << "none is left";
  fleet_.Set(a, Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return Used(a) == 0; }));
  EXPECT_TRUE(fleet_.RunningOn(a).empty());
}

}  // namespace
}  // namespace paddock
