#include "controlplane/core/reconcile_plan.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

Node MakeNode(const std::string& name, int64_t sessions) {
  Node node;
  node.id = NodeId(name);
  node.state = NodeState::kReady;
  node.capacity = {1000, 1000, 1000, sessions};
  return node;
}

QueuedSession Queued(const std::string& id, const std::string& shape = "small") {
  QueuedSession session;
  session.id = SessionId(id);
  session.requests = {1, 1, 1};
  session.shape = shape;
  return session;
}

RunningSession Running(const std::string& id, OnNodeLoss on_node_loss,
                       SessionPhase phase = SessionPhase::kRunning) {
  RunningSession session;
  session.id = SessionId(id);
  session.generation = 3;
  session.phase = phase;
  session.on_node_loss = on_node_loss;
  session.needs = Queued(id);
  session.needs.generation = 3;
  return session;
}

TEST(PlanQueue, PlacesInOrderAsFarAsRoomGoes) {
  const auto moves = PlanQueue({Queued("1"), Queued("2"), Queued("3")},
                               {MakeNode("a", 1), MakeNode("b", 1)}, false, 0);
  ASSERT_EQ(moves.size(), 3u);
  EXPECT_FALSE(moves[0].candidates.empty());
  EXPECT_FALSE(moves[1].candidates.empty());
  EXPECT_NE(moves[0].candidates[0], moves[1].candidates[0]);
  EXPECT_TRUE(moves[2].candidates.empty());
  EXPECT_EQ(moves[2].reason, "NO_ROOM");
}

TEST(PlanQueue, HoldsBackItsShapeOnly) {
  QueuedSession big = Queued("1", "big");
  big.requests.memory_bytes = 5000;
  QueuedSession big_too = Queued("2", "big");
  const auto moves = PlanQueue({big, big_too, Queued("3")}, {MakeNode("a", 9)}, false, 0);
  ASSERT_EQ(moves.size(), 3u);
  EXPECT_TRUE(moves[0].candidates.empty());
  EXPECT_TRUE(moves[1].candidates.empty());
  EXPECT_FALSE(moves[2].candidates.empty());
}

TEST(PlanQueue, WhoWaitsBehindOthersSaysWhatTheyWaitFor) {
  Node silent = MakeNode("a", 9);
  silent.state = NodeState::kNotReady;
  const auto moves = PlanQueue({Queued("1"), Queued("2")}, {silent}, false, 0);
  ASSERT_EQ(moves.size(), 2u);
  EXPECT_EQ(moves[0].reason, "NO_READY_NODE");
  EXPECT_EQ(moves[1].reason, "NO_READY_NODE");
  EXPECT_EQ(PlanStuck({SessionId("1"), 0, SessionPhase::kPending, "NO_READY_NODE"}).reason,
            "NO_READY_NODE");
}

TEST(PlanQueue, WaitingSessionsThatSaySoAreLeftAlone) {
  QueuedSession session = Queued("1");
  session.reason = "NO_NODES";
  EXPECT_TRUE(PlanQueue({session}, {}, false, 0).empty());
}

TEST(PlanDrain, RescheduleLeavesAFewAtATimeAndKeepWaitsForTheDeadline) {
  Node node = MakeNode("a", 100);
  const absl::Time now = absl::FromUnixSeconds(1000);
  std::vector<RunningSession> sessions = {
      Running("moving", OnNodeLoss::kReschedule, SessionPhase::kRescheduling),
      Running("keep", OnNodeLoss::kKeep)};
  for (int i = 0; i < 20; ++i) {
    sessions.push_back(Running(absl::StrCat("s", i), OnNodeLoss::kReschedule));
  }
  auto plan = PlanDrain(node, sessions, 0, now);
  EXPECT_EQ(plan.size(), static_cast<size_t>(kMaxMoving - 1));
  for (const SessionTransition& transition : plan) {
    EXPECT_EQ(transition.to, SessionPhase::kRescheduling);
    EXPECT_EQ(transition.stop_reason, "NODE_DRAINED");
  }
  node.drain_deadline = now;
  plan = PlanDrain(node, {Running("keep", OnNodeLoss::kKeep)}, 0, now - absl::Seconds(1));
  EXPECT_TRUE(plan.empty());
  plan = PlanDrain(node, {Running("keep", OnNodeLoss::kKeep)}, 0, now);
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].to, SessionPhase::kStopping);
}

TEST(PlanDrain, NoMoreLeaveThanFindAnotherNodeUntilTheDeadline) {
  Node node = MakeNode("a", 100);
  const absl::Time now = absl::FromUnixSeconds(1000);
  std::vector<RunningSession> sessions;
  for (int i = 0; i < 20; ++i) {
    sessions.push_back(Running(absl::StrCat("s", i), OnNodeLoss::kReschedule));
  }
  EXPECT_EQ(PlanDrain(node, sessions, kMaxMoving - 2, now).size(), 2u);
  EXPECT_TRUE(PlanDrain(node, sessions, kMaxMoving, now).empty());
  node.drain_deadline = now;
  EXPECT_EQ(PlanDrain(node, sessions, kMaxMoving, now).size(), static_cast<size_t>(kMaxMoving));
}

TEST(PlanDrain, DisplacedAreThoseThatHaveRunBefore) {
  QueuedSession first, later;
  later.generation = 2;
  EXPECT_EQ(CountDisplaced({first, later, first, later}), 2);
}

TEST(PlanLost, MovesRescheduleSessionsWithTheCounterThatWasSeen) {
  const auto moves = PlanLost(
      NodeId("a"), 17, {Running("r", OnNodeLoss::kReschedule), Running("k", OnNodeLoss::kKeep)},
      {MakeNode("b", 1)}, false, 0);
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(moves[0].id.value(), "r");
  EXPECT_EQ(moves[0].lost_node_counter, 17);
  EXPECT_EQ(moves[0].candidates.size(), 1u);
}

TEST(PlanNeverStarted, EndsFirstGenerationsThatWaitedForTheirStartAndNoOthers) {
  RunningSession fresh = Running("fresh", OnNodeLoss::kKeep, SessionPhase::kStarting);
  fresh.generation = 1;
  RunningSession moves = fresh;
  moves.on_node_loss = OnNodeLoss::kReschedule;
  RunningSession runs = Running("runs", OnNodeLoss::kKeep);
  runs.generation = 1;
  const RunningSession again = Running("again", OnNodeLoss::kKeep, SessionPhase::kStarting);
  const auto plan = PlanNeverStarted({fresh, moves, runs, again});
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].id.value(), "fresh");
  EXPECT_EQ(plan[0].to, SessionPhase::kTerminated);
  EXPECT_EQ(plan[0].only_from, SessionPhase::kStarting);
  EXPECT_EQ(plan[0].stop_reason, "NODE_LOST");
}

TEST(PlanStuck, EveryBoundedPhaseEndsWithAReason) {
  const Settings settings;
  for (SessionPhase phase : kAllSessionPhases) {
    if (BoundOf(phase, settings) == absl::InfiniteDuration()) continue;
    const SessionTransition transition = PlanStuck({SessionId("s"), 1, phase, ""});
    EXPECT_EQ(transition.to, SessionPhase::kTerminated);
    EXPECT_TRUE(CanTransition(phase, transition.to));
    EXPECT_FALSE(transition.reason.empty());
    // What may still run is ordered to end.
    EXPECT_EQ(!transition.stop_reason.empty(), phase == SessionPhase::kStarting);
  }
}

TEST(PlanStuck, AStopThatIsNotConfirmedKeepsItsReason) {
  EXPECT_EQ(PlanStuck({SessionId("s"), 1, SessionPhase::kStopping, "ARCHIVED"}).reason, "ARCHIVED");
}

}  // namespace
}  // namespace paddock
