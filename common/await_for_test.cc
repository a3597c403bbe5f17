#include "common/await_for.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace paddock {
namespace {

TEST(AwaitForTest, EndsWhenTheConditionIsTrue) {
  absl::Mutex mutex;
  bool ready = false;
  std::thread other([&] {
    absl::MutexLock lock(&mutex);
    ready = true;
  });
  absl::MutexLock lock(&mutex);
  EXPECT_TRUE(AwaitFor(&mutex, absl::Condition(&ready), absl::Hours(1)));
  other.join();
}

TEST(AwaitForTest, EndsWhenTheTimeIsOver) {
  absl::Mutex mutex;
  bool never = false;
  absl::MutexLock lock(&mutex);
  EXPECT_FALSE(AwaitFor(&mutex, absl::Condition(&never), absl::Milliseconds(1)));
  EXPECT_FALSE(AwaitFor(&mutex, absl::Condition(&never), absl::ZeroDuration()));
  EXPECT_FALSE(AwaitFor(&mutex, absl::Condition(&never), -absl::InfiniteDuration()));
}

TEST(AwaitForTest, WithoutAnEndWaitsForTheCondition) {
  absl::Mutex mutex;
  bool ready = false;
  std::thread other([&] {
    absl::MutexLock lock(&mutex);
    ready = true;
  });
  absl::MutexLock lock(&mutex);
  EXPECT_TRUE(AwaitFor(&mutex, absl::Condition(&ready), absl::InfiniteDuration()));
  other.join();
}

// Whichever comes first, nobody touches the mutex after the wait: it is destroyed at once.
TEST(AwaitForTest, TheMutexMayGoAsSoonAsTheWaitIsOver) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([i] {
      for (int round = 0; round < 500; ++round) {
        const auto mutex = std::make_unique<absl::Mutex>();
        bool ready = false;
        std::thread other([&] {
          absl::MutexLock lock(mutex.get());
          ready = true;
        });
        {
          absl::MutexLock lock(mutex.get());
          AwaitFor(mutex.get(), absl::Condition(&ready), absl::Microseconds((round + i) % 60));
        }
        other.join();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace paddock
