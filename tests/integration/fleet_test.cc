// The control plane with a real PostgreSQL and pretended node agents.
#include "controlplane/core/reconcile_plan.h"
#include "tests/integration/fleet_fixture.h"

namespace paddock {
namespace {

TEST_F(FleetTest, CreateAnswersRunningAndDeleteFreesTheNode) {
  const NodeId node = AddNode("a");
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state, SessionPhase::kRunning) << session->reason << session->message;
  EXPECT_EQ(session->node_id, node);
  EXPECT_EQ(fleet_.RunningOn(node).size(), 1u);
  auto location = control_plane_->sessions()->Locate(tenant_, session->id);
  ASSERT_TRUE(location.ok()) << location.status();
  EXPECT_EQ(location->node.address, "a:1");
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, session->id).ok());
  EXPECT_EQ(control_plane_->sessions()->Get(tenant_, session->id).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(control_plane_->environments()->Delete(tenant_, environment_.id).ok());
  EXPECT_TRUE(Eventually([&] { return fleet_.RunningOn(node).empty() && Used(node) == 0; }));
}

TEST_F(FleetTest, FailedStartEndsWithTheReasonAndReleases) {
  const NodeId node = AddNode("a");
  fleet_.Set(node, FakeFleet::Behaviour::kFail);
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state, SessionPhase::kTerminated);
  EXPECT_EQ(session->reason, "START_FAILED");
  EXPECT_TRUE(Eventually([&] { return Used(node) == 0; }));
}

TEST_F(FleetTest, RefusedForRoomGoesToAnotherNode) {
  const NodeId a = AddNode("a");
  fleet_.Set(a, FakeFleet::Behaviour::kRefuse);
  absl::StatusOr<Session> first = Create(absl::Milliseconds(500));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_NE(first->state, SessionPhase::kRunning);
  ASSERT_TRUE(control_plane_->nodes()->Cordon(a).ok());
  const NodeId b = AddNode("b");
  EXPECT_TRUE(Eventually([&] { return Get(first->id).state == SessionPhase::kRunning; }));
  EXPECT_EQ(Get(first->id).node_id, b);
  EXPECT_GT(Get(first->id).generation, 1);
  EXPECT_TRUE(Eventually([&] { return Used(a) == 0; }));
}

TEST_F(FleetTest, FullClusterQueuesAndPlacesInOrder) {
  const NodeId node = AddNode("a", /*sessions=*/1);
  absl::StatusOr<Session> first = Create();
  ASSERT_EQ(first->state, SessionPhase::kRunning);
  std::vector<Session> waiting;
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<Session> session = Create(absl::ZeroDuration());
    ASSERT_TRUE(session.ok()) << session.status();
    EXPECT_EQ(session->state, SessionPhase::kPending);
    EXPECT_EQ(session->reason, "NO_ROOM");
    waiting.push_back(*session);
  }
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, first->id).ok());
  for (const Session& next : waiting) {
    EXPECT_TRUE(Eventually([&] { return Get(next.id).state == SessionPhase::kRunning; }));
    EXPECT_EQ(fleet_.RunningOn(node).size(), 1u);
    ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, next.id).ok());
  }
}

TEST_F(FleetTest, UnreachableAgentLeavesStartingUntilAHeartbeatHeals) {
  const NodeId node = AddNode("a");
  fleet_.Set(node, FakeFleet::Behaviour::kUnreachable);
  absl::StatusOr<Session> session = Create(absl::Milliseconds(200));
  ASSERT_TRUE(session.ok()) << session.status();
  // A node that joined within the last moments may be seen a little later.
  EXPECT_TRUE(Eventually([&] { return Get(session->id).state == SessionPhase::kStarting; }));
  fleet_.Set(node, FakeFleet::Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return Get(session->id).state == SessionPhase::kRunning; }));
}

TEST_F(FleetTest, DeletedWhileStartingLeavesNoOrphan) {
  const NodeId node = AddNode("a");
  fleet_.Set(node, FakeFleet::Behaviour::kHold);
  absl::StatusOr<Session> session = Create(absl::ZeroDuration());
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, session->id).ok());
  fleet_.Release(node);  // The delayed start comes after the stop.
  EXPECT_TRUE(Eventually([&] { return Used(node) == 0; }));
  EXPECT_TRUE(fleet_.RunningOn(node).empty());
}

TEST_F(FleetTest, ArchiveEndsTheContainerAndAnswersTheSameAgain) {
  const NodeId node = AddNode("a");
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok());
  absl::StatusOr<Session> archived = Archive(session->id);
  ASSERT_TRUE(archived.ok()) << archived.status();
  EXPECT_EQ(archived->state, SessionPhase::kTerminated);
  EXPECT_TRUE(fleet_.RunningOn(node).empty());
  absl::StatusOr<Session> again = Archive(session->id);
  EXPECT_EQ(again->archived_at, archived->archived_at);
  EXPECT_EQ(again->revision, archived->revision);
}

TEST_F(FleetTest, RequestIdAnswersTheSameSession) {
  AddNode("a");
  CreateSessionRequest request;
  request.environment_id = environment_.id;
  request.idempotency = {"id-1", "hash"};
  absl::StatusOr<Session> first = Create(request);
  absl::StatusOr<Session> second = Create(request);
  ASSERT_TRUE(first.ok() && second.ok()) << second.status();
  EXPECT_EQ(first->id, second->id);
  EXPECT_EQ(second->state, SessionPhase::kRunning);
}

TEST_F(FleetTest, RebootedNodeStartsKeepSessionsAgainAndMovesTheOthers) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> keep = Create();
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  ASSERT_TRUE(keep.ok() && move.ok());
  ASSERT_TRUE(fleet_.Reboot(control_plane_->node_registry(), a).ok());
  EXPECT_TRUE(Eventually([&] {
    const Session session = Get(keep->id);
    return session.state == SessionPhase::kRunning && session.generation == 2;
  }));
  EXPECT_EQ(fleet_.GenerationOn(a, keep->id), 2);
  EXPECT_TRUE(Eventually([&] {
    const Session session = Get(move->id);
    return session.state == SessionPhase::kRunning && session.generation == 2;
  }));
  EXPECT_TRUE(Eventually([&] { return Used(a) == 2; }));
}

TEST_F(FleetTest, LostNodesRescheduleSessionsMoveAndKeepOnesWait) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> keep = Create();
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  ASSERT_EQ(keep->node_id, a);
  ASSERT_EQ(move->node_id, a);
  const NodeId b = AddNode("b");
  AddNode("c");
  AddNode("d");
  fleet_.Set(a, FakeFleet::Behaviour::kUnreachable);
  EXPECT_TRUE(Eventually([&] { return !Get(keep->id).node_reachable; }));
  EXPECT_EQ(control_plane_->sessions()->Locate(tenant_, keep->id).status().code(),
            absl::StatusCode::kUnavailable);
  fleet_.Fence(a);
  EXPECT_TRUE(Eventually([&] {
    const Session session = Get(move->id);
    return session.state == SessionPhase::kRunning && session.generation == 2;
  }));
  EXPECT_NE(Get(move->id).node_id, a);
  EXPECT_EQ(Get(keep->id).state, SessionPhase::kRunning);
  EXPECT_EQ(Get(keep->id).generation, 1);
  EXPECT_EQ(Used(a), 2);  // Until it proves that nothing is left.
  fleet_.Set(a, FakeFleet::Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return Used(a) == 1 && Get(keep->id).node_reachable; }));
  EXPECT_EQ(fleet_.GenerationOn(a, move->id), 0);
  (void)b;
}

TEST_F(FleetTest, AWatcherSeesItsNodeFallSilentAndAnswerAgain) {
  const NodeId node = AddNode("a");
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok()) << session.status();
  absl::Mutex mutex;
  std::vector<std::pair<int64_t, bool>> told;
  const auto last_is = [&](bool reachable) {
    absl::MutexLock lock(&mutex);
    return !told.empty() && told.back().second == reachable;
  };
  auto watch = control_plane_->sessions()->Watch(
      tenant_, session->id, 0, [&](const absl::StatusOr<Session>& change) {
        absl::MutexLock lock(&mutex);
        if (change.ok()) told.emplace_back(change->revision, change->node_reachable);
      });
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_TRUE(last_is(true));
  fleet_.Set(node, FakeFleet::Behaviour::kUnreachable);
  EXPECT_TRUE(Eventually([&] { return last_is(false); }));
  std::atomic<int> resumed{0};
  auto going_on = control_plane_->sessions()->Watch(tenant_, session->id, Get(session->id).revision,
                                                    [&](const absl::StatusOr<Session>& change) {
                                                      if (change.ok() && !change->node_reachable)
                                                        ++resumed;
                                                    });
  EXPECT_EQ(resumed, 1);
  fleet_.Set(node, FakeFleet::Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return last_is(true); }));
  going_on->reset();
  watch->reset();
  for (size_t i = 1; i < told.size(); ++i) {
    EXPECT_LE(told[i - 1].first, told[i].first);
    EXPECT_NE(told[i - 1], told[i]);
  }
}

TEST_F(FleetTest, DrainMovesRescheduleSessionsAndEndsKeepOnesAtTheDeadline) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> keep = Create();
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  const NodeId b = AddNode("b");
  ASSERT_TRUE(control_plane_->nodes()->StartDrain(a, absl::Seconds(2)).ok());
  EXPECT_TRUE(Eventually(
      [&] { return Get(move->id).node_id == b && Get(move->id).state == SessionPhase::kRunning; }));
  EXPECT_EQ(Get(keep->id).state, SessionPhase::kRunning);
  EXPECT_TRUE(Eventually([&] { return Get(keep->id).state == SessionPhase::kTerminated; }));
  EXPECT_EQ(Get(keep->id).reason, "NODE_DRAINED");
  EXPECT_TRUE(
      Eventually([&] { return control_plane_->nodes()->GetDrainProgress(a)->remaining == 0; }));
  const NodeStore::DrainProgress progress = *control_plane_->nodes()->GetDrainProgress(a);
  EXPECT_EQ(progress.moved, 1);
  EXPECT_EQ(progress.ended, 1);
}

TEST_F(FleetTest, ADrainWithoutRoomElsewhereDisplacesAFewSessionsAndNoMore) {
  const NodeId a = AddNode("a");
  std::vector<SessionId> moves;
  for (int i = 0; i < 3 * kMaxMoving; ++i) {
    moves.push_back(Create(absl::Seconds(10), OnNodeLoss::kReschedule)->id);
  }
  const auto running_on = [&](const NodeId& node) {
    return static_cast<int>(fleet_.RunningOn(node).size());
  };
  ASSERT_TRUE(control_plane_->nodes()->StartDrain(a, std::nullopt).ok());
  EXPECT_TRUE(Eventually([&] { return running_on(a) == 2 * kMaxMoving; }));
  EXPECT_FALSE(Eventually([&] { return running_on(a) < 2 * kMaxMoving; }, absl::Seconds(2)));
  const NodeId b = AddNode("b");
  EXPECT_TRUE(Eventually([&] { return running_on(b) == 3 * kMaxMoving && running_on(a) == 0; }));
}

TEST_F(FleetTest, ADrainingNodeThatIsLostDoesntHoldItsSessions) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  AddNode("b");
  AddNode("c");
  fleet_.Set(a, FakeFleet::Behaviour::kUnreachable);
  ASSERT_TRUE(control_plane_->nodes()->StartDrain(a, std::nullopt).ok());
  EXPECT_TRUE(Eventually([&] { return Get(move->id).state == SessionPhase::kRescheduling; }));
  fleet_.Fence(a);
  EXPECT_TRUE(Eventually(
      [&] { return Get(move->id).state == SessionPhase::kRunning && Get(move->id).node_id != a; }));
}

TEST_F(FleetTest, WatchOfAnotherReplicaSeesEveryStateOnceAndTheEnd) {
  AddNode("a");
  std::unique_ptr<ControlPlane> other = MakeReplica();
  absl::StatusOr<Session> session = Create();
  absl::Mutex mutex;
  std::vector<std::pair<int64_t, bool>> told;  // Revision and whether the node was reachable.
  std::vector<SessionPhase> phases;
  bool deleted = false;
  auto watch =
      other->sessions()->Watch(tenant_, session->id, 0, [&](const absl::StatusOr<Session>& change) {
        absl::MutexLock lock(&mutex);
        if (!change.ok()) {
          deleted = absl::IsNotFound(change.status());
          return;
        }
        told.emplace_back(change->revision, change->node_reachable);
        phases.push_back(change->state);
      });
  ASSERT_TRUE(watch.ok()) << watch.status();
  ASSERT_TRUE(Archive(session->id).ok());
  EXPECT_TRUE(Eventually([&] {
    absl::MutexLock lock(&mutex);
    return phases.back() == SessionPhase::kTerminated;
  }));
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, session->id).ok());
  EXPECT_TRUE(Eventually([&] {
    absl::MutexLock lock(&mutex);
    return deleted;
  }));
  absl::MutexLock lock(&mutex);
  for (size_t i = 1; i < told.size(); ++i) {
    EXPECT_LE(told[i - 1].first, told[i].first);
    EXPECT_NE(told[i - 1], told[i]);
  }
  EXPECT_EQ(phases.front(), SessionPhase::kRunning);
  EXPECT_EQ(other->sessions()
                ->Watch(tenant_, session->id, 0, [](const absl::StatusOr<Session>&) {})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(FleetTest, HundredCreatesAtOnceAllRun) {
  const NodeId node = AddNode("a", 200);
  std::vector<std::thread> threads;
  std::atomic<int> running{0};
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 5; ++j) {
        absl::StatusOr<Session> session = Create();
        if (session.ok() && session->state == SessionPhase::kRunning) ++running;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(running, 100);
  EXPECT_EQ(Used(node), 100);
  EXPECT_EQ(fleet_.RunningOn(node).size(), 100u);
}

}  // namespace
}  // namespace paddock
