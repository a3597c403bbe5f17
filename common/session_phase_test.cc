#include "common/session_phase.h"

#include <set>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using P = SessionPhase;

const std::set<std::pair<P, P>>& Edges() {
  static const auto* const edges = new std::set<std::pair<P, P>>{
      {P::kPending, P::kStarting},        {P::kPending, P::kTerminated},
      {P::kStarting, P::kRunning},        {P::kStarting, P::kRescheduling},
      {P::kStarting, P::kStopping},       {P::kStarting, P::kTerminated},
      {P::kRunning, P::kRescheduling},    {P::kRunning, P::kStopping},
      {P::kRunning, P::kTerminated},      {P::kRescheduling, P::kPending},
      {P::kRescheduling, P::kStarting},   {P::kRescheduling, P::kStopping},
      {P::kRescheduling, P::kTerminated}, {P::kStopping, P::kTerminated},
  };
  return *edges;
}

TEST(SessionPhaseTest, EveryPairIsAsTheDiagramSays) {
  for (P from : kAllSessionPhases) {
    for (P to : kAllSessionPhases) {
      EXPECT_EQ(CanTransition(from, to), Edges().count({from, to}) > 0)
          << SessionPhaseName(from) << " -> " << SessionPhaseName(to);
    }
  }
}

TEST(SessionPhaseTest, EveryPhaseButTheFinalOneCanEnd) {
  for (P from : kAllSessionPhases) {
    EXPECT_EQ(CanTransition(from, P::kTerminated), !IsFinal(from)) << SessionPhaseName(from);
  }
}

TEST(SessionPhaseTest, NothingLeavesTheFinalPhase) {
  for (P to : kAllSessionPhases) EXPECT_FALSE(CanTransition(P::kTerminated, to));
}

TEST(SessionPhaseTest, OnlyPlacedPhasesMayHaveAContainer) {
  std::set<P> placed;
  for (P phase : kAllSessionPhases) {
    if (MayHaveContainer(phase)) placed.insert(phase);
  }
  EXPECT_THAT(placed, testing::UnorderedElementsAre(P::kStarting, P::kRunning, P::kRescheduling,
                                                    P::kStopping));
}

TEST(SessionPhaseTest, NamesAreDistinctAndParseBack) {
  std::set<absl::string_view> names;
  for (P phase : kAllSessionPhases) {
    names.insert(SessionPhaseName(phase));
    EXPECT_EQ(ParseSessionPhase(SessionPhaseName(phase)), phase);
  }
  EXPECT_EQ(names.size(), kAllSessionPhases.size());
}

TEST(SessionPhaseTest, OtherNamesDoNotParse) {
  EXPECT_EQ(ParseSessionPhase(""), std::nullopt);
  EXPECT_EQ(ParseSessionPhase("running"), std::nullopt);
  EXPECT_EQ(ParseSessionPhase("RUNNING "), std::nullopt);
  EXPECT_EQ(ParseSessionPhase("SESSION_STATE_RUNNING"), std::nullopt);
}

}  // namespace
}  // namespace paddock
