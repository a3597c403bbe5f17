#include "controlplane/core/session_events.h"

#include <gtest/gtest.h>

namespace paddock {
namespace {

Session SessionIn(SessionPhase phase) {
  Session session;
  session.state = phase;
  session.updated_at = absl::FromUnixSeconds(300);
  return session;
}

TEST(SessionEventsTest, ASandboxThatRunsOrWillIsIdle) {
  for (const SessionPhase phase :
       {SessionPhase::kPending, SessionPhase::kStarting, SessionPhase::kRunning}) {
    EXPECT_EQ(StatusKindOf(SessionIn(phase)), SessionStatusKind::kIdle);
  }
}

TEST(SessionEventsTest, WhatIsLostOrEndsSaysSo) {
  EXPECT_EQ(StatusKindOf(SessionIn(SessionPhase::kRescheduling)), SessionStatusKind::kRescheduling);
  EXPECT_EQ(StatusKindOf(SessionIn(SessionPhase::kStopping)), SessionStatusKind::kTerminated);
  EXPECT_EQ(StatusKindOf(SessionIn(SessionPhase::kTerminated)), SessionStatusKind::kTerminated);
}

TEST(SessionEventsTest, OnlyWhatNobodyAskedForIsAFailure) {
  Session session = SessionIn(SessionPhase::kTerminated);
  EXPECT_EQ(FailureOf(session), "");
  session.reason = "ARCHIVED";
  EXPECT_EQ(FailureOf(session), "");
  session.reason = "OOM_KILLED";
  EXPECT_EQ(FailureOf(session), "OOM_KILLED");
  session.message = "at 64 MiB";
  EXPECT_EQ(FailureOf(session), "OOM_KILLED: at 64 MiB");
  session.state = SessionPhase::kPending;
  session.reason = "NO_ROOM";
  EXPECT_EQ(FailureOf(session), "");
}

TEST(SessionEventsTest, AnArchivedSessionIsTerminatedFromThenOn) {
  Session session = SessionIn(SessionPhase::kRunning);
  session.archived_at = absl::FromUnixSeconds(200);
  EXPECT_EQ(StatusKindOf(session), SessionStatusKind::kTerminated);
  EXPECT_EQ(TerminatedAt(session), absl::FromUnixSeconds(200));
  session.ended_at = absl::FromUnixSeconds(201);
  EXPECT_EQ(TerminatedAt(session), absl::FromUnixSeconds(200));
  session.archived_at.reset();
  EXPECT_EQ(TerminatedAt(session), absl::FromUnixSeconds(201));
  session.ended_at.reset();
  EXPECT_EQ(TerminatedAt(session), absl::FromUnixSeconds(300));
}

}  // namespace
}  // namespace paddock
