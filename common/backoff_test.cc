#include "common/backoff.h"

#include "absl/random/random.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(BackoffTest, DoublesUpToTheMaximumWithJitterInTheUpperHalf) {
  absl::BitGen random;
  Backoff backoff(absl::Milliseconds(100), absl::Seconds(1));
  for (int expected : {100, 200, 400, 800, 1000, 1000}) {
    const absl::Duration delay = backoff.Next(random);
    EXPECT_GE(delay, absl::Milliseconds(expected) / 2);
    EXPECT_LE(delay, absl::Milliseconds(expected));
  }
}

TEST(BackoffTest, ResetStartsAnew) {
  absl::BitGen random;
  Backoff backoff(absl::Milliseconds(100), absl::Seconds(10));
  for (int i = 0; i < 5; ++i) backoff.Next(random);
  backoff.Reset();
  EXPECT_LE(backoff.Next(random), absl::Milliseconds(100));
}

TEST(BackoffTest, NeverExceedsTheMaximumHoweverOften) {
  absl::BitGen random;
  Backoff backoff(absl::Seconds(3), absl::Seconds(2));
  for (int i = 0; i < 10'000; ++i) EXPECT_LE(backoff.Next(random), absl::Seconds(2));
}

TEST(BackoffTest, ManyWhoFailAtOnceComeBackAtDifferentTimes) {
  absl::BitGen random;
  absl::Duration least = absl::InfiniteDuration();
  absl::Duration most = absl::ZeroDuration();
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration delay = Backoff(absl::Seconds(1), absl::Seconds(1)).Next(random);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GT(most - least, absl::Milliseconds(400));
}

}  // namespace
}  // namespace paddock
