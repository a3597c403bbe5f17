#include "common/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace paddock {
namespace {

TEST(ThreadPoolTest, RunsWhatItTakes) {
  std::atomic<int> ran{0};
  ThreadPool pool("test", 2, 100);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.TrySchedule([&] { ++ran; }) || i > 0);
  pool.Join();
  EXPECT_EQ(ran, 100);
}

TEST(ThreadPoolTest, RefusesWhenTheQueueIsFullAndTakesAgainLater) {
  absl::Notification started, release;
  std::atomic<int> ran{0};
  ThreadPool pool("test", 1, 1);
  ASSERT_TRUE(pool.TrySchedule([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  EXPECT_TRUE(pool.TrySchedule([&] { ++ran; }));
  EXPECT_FALSE(pool.TrySchedule([&] { ++ran; }));
  EXPECT_EQ(pool.queued(), 1u);
  EXPECT_EQ(pool.busy(), 1u);
  // What was admitted earlier goes on whatever the queue's length.
  pool.Schedule([&] { ++ran; });
  EXPECT_EQ(pool.queued(), 2u);
  release.Notify();
  pool.Join();
  EXPECT_EQ(ran, 2);
  EXPECT_FALSE(pool.TrySchedule([] {}));
}

TEST(ThreadPoolTest, DestroysWhatATaskHeldBeforeItCountsAsDone) {
  auto held = std::make_shared<int>(1);
  ThreadPool pool("test", 1, 10);
  ASSERT_TRUE(pool.TrySchedule([held] {}));
  pool.Join();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace paddock
