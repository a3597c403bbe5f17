#include "controlplane/core/settings.h"

#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(Settings, DefaultsAreValidAndLetManyIdleSessionsShareANode) {
  const Settings settings;
  EXPECT_TRUE(settings.Validate().ok());
  EXPECT_LE(1200 * settings.default_requests.cpu_millis, 2000);
  EXPECT_LE(1200 * settings.default_requests.memory_bytes, int64_t{24} << 30);
}

TEST(Settings, AMovedSessionMustBeDeadFirst) {
  Settings settings;
  settings.lost_after = settings.fence_after;
  EXPECT_FALSE(settings.Validate().ok());
  settings = Settings();
  settings.not_ready_after = settings.heartbeat_interval;
  EXPECT_FALSE(settings.Validate().ok());
  settings = Settings();
  settings.start_timeout = absl::ZeroDuration();
  EXPECT_FALSE(settings.Validate().ok());
}

}  // namespace
}  // namespace paddock
