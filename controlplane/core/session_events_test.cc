#include "controlplane/core/session_events.h"

#include <gtest/gtest.h>

namespace paddock {
namespace {

Session SessionIn(SessionPhase phase) {
  Session session;
  session.id = SessionId("sesn_01m849fp34p1w81p4a4egzfqdh");
  session.state = phase;
  session.generation = 2;
  session.created_at = absl::FromUnixSeconds(100);
  session.updated_at = absl::FromUnixSeconds(300);
  return session;
}

TEST(SessionEventsTest, ASandboxThatRunsOrWillIsIdle) {
  for (const SessionPhase phase :
       {SessionPhase::kPending, SessionPhase::kStarting, SessionPhase::kRunning}) {
    EXPECT_EQ(StatusKindOf(SessionIn(phase)), SessionStatusKind::kIdle);
    const std::vector<SessionEvent> events = EventsOf(SessionIn(phase));
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].status, SessionStatusKind::kIdle);
    EXPECT_EQ(events[0].at, absl::FromUnixSeconds(100));
  }
}

TEST(SessionEventsTest, WhatIsLostOrEndsSaysSo) {
  EXPECT_EQ(StatusKindOf(SessionIn(SessionPhase::kRescheduling)), SessionStatusKind::kRescheduling);
  EXPECT_EQ(StatusKindOf(SessionIn(SessionPhase::kStopping)), SessionStatusKind::kTerminated);
  Session ended = SessionIn(SessionPhase::kTerminated);
  ended.ended_at = absl::FromUnixSeconds(250);
  const std::vector<SessionEvent> events = EventsOf(ended);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].status, SessionStatusKind::kTerminated);
  EXPECT_EQ(events[1].at, absl::FromUnixSeconds(250));
  EXPECT_NE(events[0].id, events[1].id);
}

TEST(SessionEventsTest, AnArchivedSessionIsTerminatedFromThenOn) {
  Session archived = SessionIn(SessionPhase::kRunning);
  archived.archived_at = absl::FromUnixSeconds(200);
  EXPECT_EQ(StatusKindOf(archived), SessionStatusKind::kTerminated);
  ASSERT_EQ(EventsOf(archived).size(), 2u);
  EXPECT_EQ(EventsOf(archived)[1].at, absl::FromUnixSeconds(200));
  const std::string id = EventsOf(archived)[1].id;
  archived.state = SessionPhase::kTerminated;
  archived.ended_at = absl::FromUnixSeconds(201);
  EXPECT_EQ(EventsOf(archived)[1].id, id) << "the same event, whenever it is asked for";
  EXPECT_EQ(EventsOf(archived)[1].at, absl::FromUnixSeconds(200));
}

}  // namespace
}  // namespace paddock
