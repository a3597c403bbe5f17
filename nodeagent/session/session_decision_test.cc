#include "nodeagent/session/session_decision.h"

#include <gtest/gtest.h>

#include <vector>

namespace paddock::nodeagent {
namespace {

SessionView Running(int64_t generation) {
  SessionView view;
  view.has_record = true;
  view.generation = generation;
  view.phase = SessionPhase::kRunning;
  return view;
}

TEST(SessionDecisionTest, StartsWhatIsWantedAndNotThere) {
  SessionView view;
  view.wanted_generation = 1;
  EXPECT_EQ(Decide(view), SessionAction::kStart);
}

TEST(SessionDecisionTest, NeverStartsWhatWasStopped) {
  SessionView view;
  view.wanted_generation = 2;
  view.stop_generation = 2;
  EXPECT_EQ(Decide(view), SessionAction::kRemoveUnknown);
}

TEST(SessionDecisionTest, LeavesARunningSessionAlone) {
  SessionView view = Running(3);
  view.stop_generation = 2;
  EXPECT_EQ(Decide(view), SessionAction::kNone);
}

TEST(SessionDecisionTest, RemovesBeforeItReplaces) {
  SessionView view = Running(1);
  view.wanted_generation = 2;
  EXPECT_EQ(Decide(view), SessionAction::kRemove);
}

TEST(SessionDecisionTest, KeepsAnEndedSessionUntilItIsAcknowledged) {
  SessionView view = Running(1);
  view.phase = SessionPhase::kTerminated;
  EXPECT_EQ(Decide(view), SessionAction::kRemove);
  view.removed = true;
  EXPECT_EQ(Decide(view), SessionAction::kNone);
  view.acknowledged = true;
  EXPECT_EQ(Decide(view), SessionAction::kForget);
  view.keeps_volume = true;
  EXPECT_EQ(Decide(view), SessionAction::kNone);
}

TEST(SessionDecisionTest, TheVolumeIsTheNextGenerationsAlsoBesideAStopOfTheOneBefore) {
  SessionView view = Running(1);
  view.wanted_generation = 2;
  view.wanted_keeps_volume = true;
  EXPECT_TRUE(RemovalKeepsVolume(view));
  view.stop_generation = 1;
  EXPECT_TRUE(RemovalKeepsVolume(view));
  view.wanted_keeps_volume = false;
  EXPECT_FALSE(RemovalKeepsVolume(view));
  view.wanted_generation = 0;
  EXPECT_FALSE(RemovalKeepsVolume(view));
}

TEST(SessionDecisionTest, AnEndFollowsItsOwnRuleAboutTheVolume) {
  SessionView view = Running(1);
  view.phase = SessionPhase::kTerminated;
  EXPECT_FALSE(RemovalKeepsVolume(view));
  view.keeps_volume = true;
  EXPECT_TRUE(RemovalKeepsVolume(view));
  view.stop_generation = 1;
  EXPECT_FALSE(RemovalKeepsVolume(view));
}

// What an action does to the view when it succeeds.
SessionView After(SessionAction action, SessionView view) {
  const bool superseded = IsSuperseded(view);
  switch (action) {
    case SessionAction::kNone:
      break;
    case SessionAction::kStart:
      view.has_record = true;
      view.generation = view.wanted_generation;
      view.wanted_generation = 0;
      view.phase = SessionPhase::kRunning;
      view.removed = view.exited = view.keeps_volume = false;
      break;
    case SessionAction::kHandleExit:
      view.phase = SessionPhase::kTerminated;
      view.exited = false;
      break;
    case SessionAction::kRemove:
      if (!superseded) {
        view.removed = true;
        break;
      }
      if (view.stop_generation >= view.generation) view.stop_generation = 0;
      view.has_record = false;
      break;
    case SessionAction::kRemoveUnknown:
      view.stop_generation = 0;
      break;
    case SessionAction::kForget:
      view.has_record = false;
      break;
  }
  return view;
}

TEST(SessionDecisionTest, ComesToRestFromEveryView) {
  const std::vector<SessionPhase> phases = {SessionPhase::kRunning, SessionPhase::kStopping,
                                            SessionPhase::kTerminated};
  int views = 0;
  for (int bits = 0; bits < 32; ++bits) {
    for (SessionPhase phase : phases) {
      for (int64_t wanted = 0; wanted <= 3; ++wanted) {
        for (int64_t stop = 0; stop <= 3; ++stop) {
          SessionView view;
          view.has_record = (bits & 1) != 0;
          view.generation = view.has_record ? 2 : 0;
          view.phase = phase;
          view.exited = (bits & 2) != 0;
          view.removed = (bits & 4) != 0;
          view.keeps_volume = (bits & 8) != 0;
          view.acknowledged = (bits & 16) != 0;
          // The manager drops a wanted generation with the stop that covers it.
          view.stop_generation = stop;
          view.wanted_generation = wanted > stop ? wanted : 0;
          int steps = 0;
          while (Decide(view) != SessionAction::kNone) {
            view = After(Decide(view), view);
            ASSERT_LT(++steps, 10);
          }
          EXPECT_EQ(view.wanted_generation > 0 && !view.has_record, false);
          ++views;
        }
      }
    }
  }
  EXPECT_EQ(views, 32 * 3 * 16);
}

}  // namespace
}  // namespace paddock::nodeagent
