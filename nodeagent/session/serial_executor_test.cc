#include "nodeagent/session/serial_executor.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(20);

TEST(SerialExecutorTest, KeepsTheOrderOfAKeyAndNeverOverlaps) {
  SerialExecutor executor(8);
  std::vector<int> order[4];
  std::atomic<int> inside[4] = {};
  std::atomic<bool> overlapped{false};
  for (int i = 0; i < 400; ++i) {
    const int key = i % 4;
    executor.Post(std::to_string(key), [&, key, i] {
      if (inside[key].fetch_add(1) != 0) overlapped = true;
      order[key].push_back(i);
      inside[key].fetch_sub(1);
    });
  }
  ASSERT_TRUE(executor.WaitIdle(kDeadline));
  EXPECT_FALSE(overlapped);
  for (int key = 0; key < 4; ++key) {
    ASSERT_EQ(order[key].size(), 100u);
    for (size_t i = 0; i < order[key].size(); ++i) {
      EXPECT_EQ(order[key][i], static_cast<int>(4 * i) + key);
    }
  }
}

TEST(SerialExecutorTest, ABlockedKeyHoldsOnlyOneThread) {
  SerialExecutor executor(2);
  absl::Notification release;
  executor.Post("blocked", [&] { release.WaitForNotification(); });
  for (int i = 0; i < 3; ++i) executor.Post("blocked", [] {});
  absl::Notification done;
  executor.Post("other", [&] { done.Notify(); });
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(kDeadline));
  release.Notify();
  EXPECT_TRUE(executor.WaitIdle(kDeadline));
}

TEST(SerialExecutorTest, RunsDelayedTasksInTheirOrderOfTime) {
  SerialExecutor executor(2);
  std::vector<int> order;
  absl::Notification done;
  executor.PostAfter(absl::Milliseconds(40), "a", [&] {
    order.push_back(2);
    done.Notify();
  });
  executor.PostAfter(absl::Milliseconds(1), "a", [&] { order.push_back(1); });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(kDeadline));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(SerialExecutorTest, DropsWhatWaitsAtTheEnd) {
  std::atomic<int> ran{0};
  {
    SerialExecutor executor(1);
    absl::Notification started;
    absl::Notification release;
    executor.Post("a", [&] {
      started.Notify();
      release.WaitForNotification();
      ++ran;
    });
    started.WaitForNotification();
    executor.Post("a", [&] { ++ran; });
    executor.PostAfter(absl::Hours(1), "a", [&] { ++ran; });
    release.Notify();
    // The destructor lets the one that runs finish; the next may or may not have begun.
  }
  EXPECT_GE(ran, 1);
  EXPECT_LE(ran, 2);
}

}  // namespace
}  // namespace paddock::nodeagent
