#include "controlplane/core/status_rules.h"

#include "gtest/gtest.h"

namespace paddock {
namespace {

SessionStatus Ended(const std::string& reason) {
  SessionStatus status;
  status.session_id = SessionId("sesn_1");
  status.generation = 4;
  status.state = SessionPhase::kTerminated;
  status.reason = reason;
  return status;
}

TEST(StatusRules, SignalsBecomeExitCodesAsShellsShowThem) {
  SessionStatus status = Ended("");
  status.signal = 9;
  const auto transition = TransitionFor(status, OnNodeLoss::kKeep);
  ASSERT_TRUE(transition.has_value());
  EXPECT_EQ(transition->exit_code, 137);
  EXPECT_EQ(transition->reason, "CONTAINER_EXITED");
  EXPECT_EQ(transition->message, "Ended by signal 9.");
  EXPECT_EQ(transition->generation, 4);
}

TEST(StatusRules, FencedRescheduleSessionsGoElsewhereKeepOnesEnd) {
  EXPECT_EQ(TransitionFor(Ended("FENCED"), OnNodeLoss::kReschedule)->to,
            SessionPhase::kRescheduling);
  EXPECT_EQ(TransitionFor(Ended("FENCED"), OnNodeLoss::kKeep)->to, SessionPhase::kTerminated);
  EXPECT_EQ(TransitionFor(Ended("OOM_KILLED"), OnNodeLoss::kReschedule)->to,
            SessionPhase::kTerminated);
}

TEST(StatusRules, AStartWithoutItsImageIsTriedElsewhere) {
  const SessionStatus status = Ended("IMAGE_MISSING");
  EXPECT_EQ(TransitionFor(status, OnNodeLoss::kReschedule)->to, SessionPhase::kRescheduling);
  EXPECT_EQ(TransitionFor(status, OnNodeLoss::kKeep)->to, SessionPhase::kRescheduling);
  EXPECT_EQ(TransitionFor(status, OnNodeLoss::kKeep)->stop_reason, "IMAGE_MISSING");
}

TEST(StatusRules, StartingAndStoppingSayNothingNew) {
  SessionStatus status = Ended("");
  for (SessionPhase phase : {SessionPhase::kStarting, SessionPhase::kStopping}) {
    status.state = phase;
    EXPECT_FALSE(TransitionFor(status, OnNodeLoss::kKeep).has_value());
  }
}

}  // namespace
}  // namespace paddock
