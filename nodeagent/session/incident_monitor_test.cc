#include "nodeagent/session/incident_monitor.h"

#include <gmock/gmock.h>

#include "tests/fakes/nodeagent/session_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kDisk = 32 << 20;

class IncidentMonitorTest : public SessionFixture {
 protected:
  IncidentMonitorTest() {
    EXPECT_TRUE(Put(Spec(1)).ok());
    monitor_ =
        std::make_unique<IncidentMonitor>(&manager(), resources().cgroups, resources().volumes);
  }
  void Use(int64_t disk_bytes, int64_t oom_kills) {
    machine().SetVolumeUsage(kId, {disk_bytes, kDisk});
    CgroupUsage usage;
    usage.oom_kills = oom_kills;
    machine().SetCgroupUsage(kId, usage);
  }
  // After a check.
  SessionStatus Status() {
    monitor_->CheckAll();
    return manager().GetRunning(kId, 1)->status;
  }
  std::unique_ptr<IncidentMonitor> monitor_;
};

TEST_F(IncidentMonitorTest, AFullDiskIsToldUntilThereIsRoom) {
  Use(0, 0);
  EXPECT_EQ(Status().reason, "");
  Use(kDisk, 0);
  EXPECT_EQ(Status().reason, kReasonDiskFull);
  Use(kDisk - 512 * 1024, 0);
  EXPECT_EQ(Status().reason, kReasonDiskFull) << "a few blocks are no room";
  Use(kDisk / 2, 0);
  EXPECT_EQ(Status().reason, "");
  EXPECT_EQ(Status().message, "");
  Use(kDisk, 0);
  EXPECT_EQ(Status().reason, kReasonDiskFull) << "and told again when it is full again";
}

TEST_F(IncidentMonitorTest, AFullDiskHidesNoLaterKill) {
  Use(kDisk, 0);
  EXPECT_EQ(Status().reason, kReasonDiskFull);
  Use(kDisk, 1);
  EXPECT_EQ(Status().reason, kReasonOomKilled);
  EXPECT_THAT(Status().message, HasSubstr("1 process(es) killed"));
  Use(0, 1);
  EXPECT_EQ(Status().reason, kReasonOomKilled) << "room on the disk undoes no kill";
}

TEST_F(IncidentMonitorTest, AKillThatIsSeenTogetherWithAFullDiskIsTheNewest) {
  Use(kDisk, 1);
  EXPECT_EQ(Status().reason, kReasonOomKilled);
  EXPECT_EQ(Status().reason, kReasonOomKilled) << "nor is the disk told later";
}

}  // namespace
}  // namespace paddock::nodeagent
