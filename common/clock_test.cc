#include "common/clock.h"

#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(ClockTest, AdvanceMovesBothClocks) {
  FakeClock clock(absl::FromUnixSeconds(100));
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(105));
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(5));
}

TEST(ClockTest, AStepOfTheWallClockLeavesIntervalsAlone) {
  FakeClock clock(absl::FromUnixSeconds(100));
  clock.StepWall(-absl::Hours(1));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(100) - absl::Hours(1));
  EXPECT_EQ(clock.Monotonic(), absl::ZeroDuration());
}

TEST(ClockTest, TheRealClockNeverGoesBack) {
  absl::Duration previous = Clock::Real()->Monotonic();
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration next = Clock::Real()->Monotonic();
    EXPECT_GE(next, previous);
    previous = next;
  }
  EXPECT_GT(Clock::Real()->Now(), absl::FromUnixSeconds(1'700'000'000));
}

}  // namespace
}  // namespace paddock
