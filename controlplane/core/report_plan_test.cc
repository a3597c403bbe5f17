#include "controlplane/core/report_plan.h"

#include "gtest/gtest.h"

namespace paddock {
namespace {

const SessionId kSession("sesn_1");

PlacementState RunOf(SessionPhase phase, int64_t revision = 5) {
  PlacementState placement;
  placement.session_id = kSession;
  placement.generation = 2;
  placement.node_revision = revision;
  placement.age = absl::Minutes(1);
  placement.phase = phase;
  return placement;
}

PlacementState StopAt(int64_t revision) {
  PlacementState placement = RunOf(SessionPhase::kStopping, revision);
  placement.stop = true;
  return placement;
}

SessionStatus Status(SessionPhase state, const std::string& reason = "", int64_t generation = 2) {
  SessionStatus status;
  status.session_id = kSession;
  status.generation = generation;
  status.state = state;
  status.reason = reason;
  return status;
}

ReportPlan Complete(const std::vector<PlacementState>& placements,
                    const std::vector<SessionStatus>& sessions, int64_t applied = 9) {
  return PlanReport(placements, sessions, applied, ReportKind::kComplete);
}

bool IsNothing(const ReportPlan& plan) {
  return plan.transitions.empty() && plan.absent.empty() && plan.restarts.empty() &&
         plan.stops.empty();
}

TEST(ReportPlan, EqualStatesNeedNothing) {
  EXPECT_TRUE(
      IsNothing(Complete({RunOf(SessionPhase::kRunning)}, {Status(SessionPhase::kRunning)})));
  EXPECT_TRUE(
      IsNothing(Complete({RunOf(SessionPhase::kStarting)}, {Status(SessionPhase::kStarting)})));
  EXPECT_TRUE(IsNothing(Complete({}, {})));
}

TEST(ReportPlan, RunningMovesAStartingSession) {
  const ReportPlan plan =
      Complete({RunOf(SessionPhase::kStarting)}, {Status(SessionPhase::kRunning)});
  ASSERT_EQ(plan.transitions.size(), 1u);
  EXPECT_EQ(plan.transitions[0].to, SessionPhase::kRunning);
  EXPECT_EQ(plan.transitions[0].generation, 2);
  EXPECT_EQ(plan.transitions[0].stop_reason, "");
}

TEST(ReportPlan, ANewReasonOfARunningSessionIsRecorded) {
  const ReportPlan plan =
      Complete({RunOf(SessionPhase::kRunning)}, {Status(SessionPhase::kRunning, "OOM_KILLED")});
  ASSERT_EQ(plan.transitions.size(), 1u);
  EXPECT_EQ(plan.transitions[0].reason, "OOM_KILLED");
}

TEST(ReportPlan, EndedContainerEndsTheSessionAndIsStopped) {
  const ReportPlan plan =
      Complete({RunOf(SessionPhase::kRunning)}, {Status(SessionPhase::kTerminated)});
  ASSERT_EQ(plan.transitions.size(), 1u);
  EXPECT_EQ(plan.transitions[0].to, SessionPhase::kTerminated);
  EXPECT_EQ(plan.transitions[0].stop_reason, "CONTAINER_EXITED");
}

TEST(ReportPlan, RebootRestartsKeepAndReschedulesTheOther) {
  PlacementState placement = RunOf(SessionPhase::kRunning);
  const SessionStatus rebooted = Status(SessionPhase::kTerminated, "NODE_REBOOTED");
  ReportPlan plan = Complete({placement}, {rebooted});
  ASSERT_EQ(plan.restarts.size(), 1u);
  EXPECT_TRUE(plan.transitions.empty());
  placement.on_node_loss = OnNodeLoss::kReschedule;
  plan = Complete({placement}, {rebooted});
  EXPECT_TRUE(plan.restarts.empty());
  ASSERT_EQ(plan.transitions.size(), 1u);
  EXPECT_EQ(plan.transitions[0].to, SessionPhase::kRescheduling);
  EXPECT_EQ(plan.transitions[0].stop_reason, "NODE_REBOOTED");
}

TEST(ReportPlan, StaleGenerationIsIgnoredAndStopped) {
  const ReportPlan plan = Complete(
      {RunOf(SessionPhase::kRunning)},
      {Status(SessionPhase::kRunning), Status(SessionPhase::kTerminated, "", /*generation=*/1)});
  EXPECT_TRUE(plan.transitions.empty());
  ASSERT_EQ(plan.stops.size(), 1u);
  EXPECT_EQ(plan.stops[0].generation, 1);
}

TEST(ReportPlan, AnEndedGenerationWhoseSuccessorIsToStartFromItsFilesIsntStopped) {
  const SessionStatus rebooted =
      Status(SessionPhase::kTerminated, "NODE_REBOOTED", /*generation=*/1);
  const ReportPlan plan = Complete({RunOf(SessionPhase::kStarting, 10)}, {rebooted});
  EXPECT_TRUE(plan.stops.empty());
  // Another session's run is no successor, and one that is to end is none either.
  PlacementState other = RunOf(SessionPhase::kStarting, 10);
  other.session_id = SessionId("sesn_2");
  EXPECT_EQ(Complete({other}, {rebooted}).stops.size(), 1u);
  EXPECT_EQ(Complete({StopAt(10)}, {rebooted}).stops.size(), 1u);
}

TEST(ReportPlan, AbsenceCountsOnlyWhenTheStopIsApplied) {
  EXPECT_TRUE(Complete({StopAt(10)}, {}, 9).absent.empty());
  const ReportPlan plan = Complete({StopAt(9)}, {}, 9);
  ASSERT_EQ(plan.absent.size(), 1u);
  EXPECT_EQ(plan.absent[0].generation, 2);
  // Present, in whatever state: not absent.
  EXPECT_TRUE(Complete({StopAt(9)}, {Status(SessionPhase::kTerminated)}, 9).absent.empty());
  // A report of changes says nothing about the others.
  EXPECT_TRUE(PlanReport({StopAt(9)}, {}, 9, ReportKind::kChangesOnly).absent.empty());
}

TEST(ReportPlan, AMissingRunIsLostOnlyAfterTheGrace) {
  PlacementState placement = RunOf(SessionPhase::kRunning, 9);
  placement.age = kMissingGrace - absl::Seconds(1);
  EXPECT_TRUE(Complete({placement}, {}, 9).transitions.empty());
  placement.age = kMissingGrace;
  ASSERT_EQ(Complete({placement}, {}, 9).transitions.size(), 1u);
  EXPECT_EQ(Complete({placement}, {}, 9).transitions[0].reason, "CONTAINER_LOST");
  // Not applied yet: the agent doesn't know it.
  EXPECT_TRUE(Complete({placement}, {}, 8).transitions.empty());
}

}  // namespace
}  // namespace paddock
