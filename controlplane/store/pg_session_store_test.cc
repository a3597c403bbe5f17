#include "controlplane/store/pg_session_store.h"

#include <atomic>
#include <thread>

#include "tests/integration/store_fixture.h"

namespace paddock {
namespace {

class SessionStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    environment_ = MakeEnvironment("env");
    node_ = MakeNode("node-1");
  }

  SessionStore& sessions() { return *stores().sessions; }

  Environment environment_;
  NodeRegistration node_;
};

TEST_F(SessionStoreTest, CreatePlacesChargesAndTellsTheOrder) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  ASSERT_TRUE(created.run.has_value());
  EXPECT_EQ(created.run->node.id, node_.id);
  EXPECT_EQ(created.run->node.address, "node-1:7000");
  EXPECT_EQ(created.run->spec.generation, 1);
  EXPECT_EQ(created.run->spec.limits.pids, 128);
  EXPECT_EQ(created.session.state, SessionPhase::kStarting);
  const Node node = GetNode(node_.id);
  EXPECT_EQ(node.used.sessions, 1);
  EXPECT_EQ(node.used.memory_bytes, kMiB);
  EXPECT_EQ(node.revision, created.run->node_revision);
  absl::StatusOr<Session> read = sessions().Get(tenant_, created.session.id);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->state, SessionPhase::kStarting);
  EXPECT_EQ(read->node_id, node_.id);
  EXPECT_TRUE(read->node_reachable);
  EXPECT_EQ(read->compute.limits.memory_bytes, 512 * kMiB);
  EXPECT_EQ(read->created_at, created.session.created_at);
}

TEST_F(SessionStoreTest, FullOrCordonedOrSilentNodesAreNotCharged) {
  const NodeRegistration tiny = MakeNode("tiny", /*sessions=*/1);
  EXPECT_TRUE(MakeSession(environment_, {tiny.id}).run.has_value());
  EXPECT_EQ(MakeSession(environment_, {tiny.id, node_.id}).run->node.id, node_.id);
  ASSERT_TRUE(stores().nodes->SetCordoned(node_.id, true).ok());
  const CreatedSession waiting = MakeSession(environment_, {tiny.id, node_.id});
  EXPECT_FALSE(waiting.run.has_value());
  EXPECT_EQ(waiting.session.state, SessionPhase::kPending);
  EXPECT_EQ(sessions().Get(tenant_, waiting.session.id)->reason, "NO_ROOM");
}

TEST_F(SessionStoreTest, LaterSessionsOfAShapeWaitBehindAnOlderOne) {
  EXPECT_FALSE(MakeSession(environment_, {}).run.has_value());
  EXPECT_FALSE(MakeSession(environment_, {node_.id}).run.has_value());
  NewSession other = NewSessionOf(environment_, {node_.id});
  other.shape = "another";
  EXPECT_TRUE(sessions().Create(other, {})->run.has_value());
}

TEST_F(SessionStoreTest, ManyCreatesNeverChargeANodeAboveItsCapacity) {
  const NodeRegistration a = MakeNode("a", 20);
  const NodeRegistration b = MakeNode("b", 10);
  std::vector<NewSession> requests;
  for (int i = 0; i < 64; ++i) {
    requests.push_back(NewSessionOf(environment_, {a.id, b.id}));
    requests.back().shape = absl::StrCat(i);
  }
  std::atomic<int> placed{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < requests.size(); i += 8) {
        auto created = sessions().Create(requests[i], {});
        if (!created.ok()) {
          ++failed;
        } else if (created->run.has_value()) {
          ++placed;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(placed, 30);
  EXPECT_EQ(GetNode(a.id).used.sessions, 20);
  EXPECT_EQ(GetNode(b.id).used.sessions, 10);
}

TEST_F(SessionStoreTest, EnvironmentIsCheckedInTheSameTransaction) {
  NewSession unknown = NewSessionOf(environment_, {node_.id});
  unknown.session.environment_id = EnvironmentId(NewId(kEnvironmentPrefix, now_));
  EXPECT_EQ(sessions().Create(unknown, {}).status().code(), absl::StatusCode::kNotFound);
  NewSession foreign = NewSessionOf(environment_, {node_.id});
  foreign.session.tenant = other_;
  EXPECT_EQ(sessions().Create(foreign, {}).status().code(), absl::StatusCode::kNotFound);
  NewSession stale = NewSessionOf(environment_, {node_.id});
  stale.environment_revision = 7;
  EXPECT_EQ(sessions().Create(stale, {}).status().code(), absl::StatusCode::kAborted);
  auto archive = [&](const Environment& stored, bool*) -> absl::StatusOr<Environment> {
    Environment next = stored;
    next.archived_at = now_;
    return next;
  };
  ASSERT_TRUE(stores().environments->Mutate(tenant_, environment_.id, archive).ok());
  EXPECT_EQ(sessions().Create(NewSessionOf(environment_, {node_.id}), {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetNode(node_.id).used.sessions, 0);
}

TEST_F(SessionStoreTest, ArchivingAgainstCreatingLetsNothingSlipIn) {
  for (int round = 0; round < 10; ++round) {
    const Environment environment = MakeEnvironment(absl::StrCat("race-", round));
    std::vector<NewSession> requests;
    for (int i = 0; i < 8; ++i) requests.push_back(NewSessionOf(environment, {node_.id}));
    std::atomic<bool> archived{false};
    std::atomic<int> late{0};
    std::thread archiver([&] {
      ASSERT_TRUE(
          stores()
              .environments
              ->Mutate(tenant_, environment.id,
                       [&](const Environment& stored, bool*) -> absl::StatusOr<Environment> {
                         Environment next = stored;
                         next.archived_at = now_;
                         return next;
                       })
              .ok());
      archived = true;
    });
    for (const NewSession& request : requests) {
      const bool was_archived = archived;
      if (sessions().Create(request, {}).ok() && was_archived) ++late;
    }
    archiver.join();
    EXPECT_EQ(late, 0);
  }
}

TEST_F(SessionStoreTest, TransitionsApplyToTheirGenerationAndOnlyForward) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  const TransitionResult running = MakeRunning(created);
  EXPECT_TRUE(running.applied);
  EXPECT_EQ(running.phase, SessionPhase::kRunning);
  EXPECT_TRUE(running.started_at.has_value());
  EXPECT_EQ(running.revision, 2);
  EXPECT_FALSE(MakeRunning(created).applied);  // Nothing new.
  SessionTransition other;
  other.id = created.session.id;
  other.generation = 2;
  other.to = SessionPhase::kTerminated;
  EXPECT_FALSE(Apply(other).applied);
  other.generation = 1;
  other.reason = "OOM_KILLED";
  other.exit_code = 137;
  other.stop_reason = "ENDED";
  const TransitionResult ended = Apply(other);
  EXPECT_TRUE(ended.applied);
  ASSERT_TRUE(ended.stop.has_value());
  EXPECT_EQ(ended.stop->node.id, node_.id);
  EXPECT_EQ(ended.stop->stop.generation, 1);
  EXPECT_EQ(ended.exit_code, 137);
  EXPECT_FALSE(MakeRunning(created).applied);
  EXPECT_EQ(sessions().Get(tenant_, created.session.id)->state, SessionPhase::kTerminated);
}

TEST_F(SessionStoreTest, ChargeIsReleasedOnlyWhenAbsenceIsConfirmed) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  auto stop = sessions().Delete(tenant_, created.session.id);
  ASSERT_TRUE(stop.ok() && stop->has_value()) << stop.status();
  EXPECT_EQ(sessions().Get(tenant_, created.session.id).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(GetNode(node_.id).used.sessions, 1);
  EXPECT_GT(GetNode(node_.id).revision, created.run->node_revision);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(sessions().ConfirmStopped(node_.id, created.session.id, 1).ok());
    EXPECT_EQ(GetNode(node_.id).used.sessions, 0);
    EXPECT_EQ(GetNode(node_.id).used.memory_bytes, 0);
  }
  // And the environment is free at once.
  EXPECT_TRUE(stores().environments->Delete(tenant_, environment_.id).ok());
}

TEST_F(SessionStoreTest, ARunThatWasNotStoppedIsNeverReleased) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  ASSERT_TRUE(sessions().ConfirmStopped(node_.id, created.session.id, 1).ok());
  EXPECT_EQ(GetNode(node_.id).used.sessions, 1);
}

TEST_F(SessionStoreTest, ArchiveStopsAndEndsWhenConfirmed) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  MakeRunning(created);
  auto ended = sessions().Archive(tenant_, created.session.id);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->session.state, SessionPhase::kStopping);
  EXPECT_TRUE(ended->session.archived_at.has_value());
  ASSERT_TRUE(ended->stop.has_value());
  auto again = sessions().Archive(tenant_, created.session.id);
  EXPECT_EQ(again->session.archived_at, ended->session.archived_at);
  EXPECT_FALSE(again->stop.has_value());
  ASSERT_TRUE(sessions().ConfirmStopped(node_.id, created.session.id, 1).ok());
  const Session session = *sessions().Get(tenant_, created.session.id);
  EXPECT_EQ(session.state, SessionPhase::kTerminated);
  EXPECT_EQ(session.reason, "ARCHIVED");
  EXPECT_TRUE(session.ended_at.has_value());
  // Pending: ends at once.
  const CreatedSession waiting = MakeSession(environment_, {});
  EXPECT_EQ(sessions().Archive(tenant_, waiting.session.id)->session.state,
            SessionPhase::kTerminated);
}

TEST_F(SessionStoreTest, PlaceWaitsForEveryEarlierPlacement) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  const NodeRegistration second = MakeNode("node-2");
  SessionTransition refused;
  refused.id = created.session.id;
  refused.generation = 1;
  refused.to = SessionPhase::kRescheduling;
  refused.reason = "NODE_REFUSED";
  refused.stop_reason = "NODE_REFUSED";
  ASSERT_TRUE(Apply(refused).applied);
  SessionStore::Move move;
  move.id = created.session.id;
  move.generation = 1;
  move.candidates = {second.id};
  EXPECT_FALSE(sessions().Place(move)->has_value());
  ASSERT_TRUE(sessions().ConfirmStopped(node_.id, created.session.id, 1).ok());
  auto run = sessions().Place(move);
  ASSERT_TRUE(run.ok() && run->has_value()) << run.status();
  EXPECT_EQ((*run)->spec.generation, 2);
  EXPECT_EQ((*run)->node.id, second.id);
  EXPECT_EQ((*run)->spec.limits.pids, 128);
  EXPECT_FALSE(sessions().Place(move)->has_value());  // It has moved on.
  EXPECT_EQ(GetNode(node_.id).used.sessions, 0);
  EXPECT_EQ(GetNode(second.id).used.sessions, 1);
}

TEST_F(SessionStoreTest, LostNodesSessionMovesOnlyWhileTheCounterStands) {
  NewSession request = NewSessionOf(environment_, {node_.id});
  request.session.on_node_loss = OnNodeLoss::kReschedule;
  const auto created = sessions().Create(request, {});
  ASSERT_TRUE(created.ok());
  MakeRunning(*created);
  const NodeRegistration second = MakeNode("node-2");
  SessionStore::Move move;
  move.id = created->session.id;
  move.generation = 1;
  move.candidates = {second.id};
  move.lost_node_counter = GetNode(node_.id).heartbeat_counter;
  HeartbeatReport heartbeat;
  heartbeat.id = node_.id;
  heartbeat.epoch = "epoch-1";
  heartbeat.sequence = 1;
  ASSERT_TRUE(stores().nodes->WriteHeartbeats({&heartbeat}).ok());
  EXPECT_FALSE(sessions().Place(move)->has_value());
  move.lost_node_counter = GetNode(node_.id).heartbeat_counter;
  auto run = sessions().Place(move);
  ASSERT_TRUE(run.ok() && run->has_value()) << run.status();
  EXPECT_EQ((*run)->spec.generation, 2);
  // The lost node keeps its charge, and is told to stop when it comes back.
  EXPECT_EQ(GetNode(node_.id).used.sessions, 1);
  auto desired = stores().nodes->Desired(node_.id, 0);
  ASSERT_EQ(desired->size(), 1u);
  EXPECT_EQ(std::get<SessionStop>((*desired)[0].desired).generation, 1);
  // Archiving doesn't wait for the lost one.
  ASSERT_TRUE(sessions().Archive(tenant_, created->session.id).ok());
  ASSERT_TRUE(sessions().ConfirmStopped(second.id, created->session.id, 2).ok());
  EXPECT_EQ(sessions().Get(tenant_, created->session.id)->state, SessionPhase::kTerminated);
}

TEST_F(SessionStoreTest, KeepSessionsNeverMoveFromALostNode) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  MakeRunning(created);
  SessionStore::Move move;
  move.id = created.session.id;
  move.generation = 1;
  move.candidates = {MakeNode("node-2").id};
  move.lost_node_counter = GetNode(node_.id).heartbeat_counter;
  EXPECT_FALSE(sessions().Place(move)->has_value());
  EXPECT_EQ(sessions().Get(tenant_, created.session.id)->state, SessionPhase::kRunning);
}

TEST_F(SessionStoreTest, DeletingAgainstTheAnswerOfItsStartLeavesNothing) {
  for (int round = 0; round < 20; ++round) {
    const CreatedSession created = MakeSession(environment_, {node_.id});
    std::optional<StopOrder> stop;
    std::thread deleter([&] {
      auto deleted = sessions().Delete(tenant_, created.session.id);
      ASSERT_TRUE(deleted.ok()) << deleted.status();
      stop = *deleted;
    });
    MakeRunning(created);
    deleter.join();
    ASSERT_TRUE(stop.has_value());
    ASSERT_TRUE(sessions().ConfirmStopped(node_.id, stop->stop.session_id, 1).ok());
  }
  EXPECT_EQ(GetNode(node_.id).used.sessions, 0);
}

}  // namespace
}  // namespace paddock
