#include "nodeagent/runtime/cgroup_settings.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

SandboxLimits Limits() {
  SandboxLimits limits;
  limits.cpu_millis = 1500;
  limits.memory_bytes = 1 << 30;
  limits.pids = 100;
  limits.io_weight = 200;
  return limits;
}

std::string ValueOf(const std::vector<CgroupSetting>& settings, const std::string& file) {
  std::string value = "(none)";
  for (const CgroupSetting& setting : settings) {
    if (setting.file == file) value = setting.value;
  }
  return value;
}

TEST(CgroupSettingsTest, WritesTheLimitsOfV2) {
  const std::vector<CgroupSetting> settings = SandboxSettingsV2(Limits());
  EXPECT_EQ(ValueOf(settings, "cpu.max"), "150000 100000");
  EXPECT_EQ(ValueOf(settings, "memory.max"), "1073741824");
  EXPECT_EQ(ValueOf(settings, "memory.swap.max"), "0");
  EXPECT_EQ(ValueOf(settings, "pids.max"), "100");
  EXPECT_EQ(ValueOf(settings, "io.weight"), "default 200");
}

TEST(CgroupSettingsTest, WritesTheLimitsOfV1) {
  const std::vector<CgroupSetting> settings = SandboxSettingsV1(Limits());
  EXPECT_EQ(ValueOf(settings, "cpu.cfs_quota_us"), "150000");
  EXPECT_EQ(ValueOf(settings, "memory.limit_in_bytes"), "1073741824");
  EXPECT_EQ(ValueOf(settings, "memory.memsw.limit_in_bytes"), "1073741824");
  EXPECT_EQ(ValueOf(settings, "pids.max"), "100");
}

TEST(CgroupSettingsTest, KeepsToWhatTheKernelTakes) {
  SandboxLimits limits = Limits();
  limits.cpu_millis = 1;
  EXPECT_EQ(ValueOf(SandboxSettingsV2(limits), "cpu.max"), "1000 100000");
  limits.io_weight = 1;
  EXPECT_EQ(ValueOf(SandboxSettingsV1(limits), "blkio.weight"), "10");
}

TEST(CgroupSettingsTest, LimitsAreNeverOptional) {
  for (const auto& settings : {SandboxSettingsV1(Limits()), SandboxSettingsV2(Limits())}) {
    int required = 0;
    for (const CgroupSetting& setting : settings) required += setting.optional ? 0 : 1;
    EXPECT_EQ(required, 3) << "memory, pids, cpu";
  }
}

TEST(CgroupSettingsTest, OpensTheOldLimitBeforeItSetsANewOneOnV1) {
  const std::vector<CgroupSetting> settings = SubtreeSettingsV1(Limits());
  EXPECT_EQ(settings[0].file, "memory.memsw.limit_in_bytes");
  EXPECT_EQ(settings[0].value, "-1");
  EXPECT_EQ(settings[1].file, "memory.limit_in_bytes");
}

}  // namespace
}  // namespace paddock::nodeagent
