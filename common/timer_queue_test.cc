#include "common/timer_queue.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/synchronization/notification.h"

namespace paddock {
namespace {

TEST(TimerQueueTest, RunsTasksInTheOrderOfTheirTimes) {
  TimerQueue timers;
  std::vector<int> order;  // Of the timers' thread.
  absl::Notification done;
  timers.After(absl::Milliseconds(30), [&] {
    order.push_back(2);
    done.Notify();
  });
  timers.After(absl::Milliseconds(1), [&] { order.push_back(1); });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(TimerQueueTest, ATaskMayAddAnother) {
  TimerQueue timers;
  absl::Notification done;
  timers.After(absl::ZeroDuration(),
               [&] { timers.After(absl::ZeroDuration(), [&] { done.Notify(); }); });
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST(TimerQueueTest, StopDropsWhatIsntDue) {
  auto held = std::make_shared<int>(1);
  bool ran = false;
  TimerQueue timers;
  timers.After(absl::Hours(1), [&ran, held] { ran = true; });
  timers.Stop();
  EXPECT_FALSE(ran);
  EXPECT_EQ(held.use_count(), 1);
  timers.After(absl::ZeroDuration(), [held] {});
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace paddock
