#include "nodeagent/runtime/cgroup_settings.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {
namespace {

constexpr int64_t kPeriodUsec = 100'000;
constexpr int64_t kMinQuotaUsec = 1'000;  // The kernel refuses less.

int64_t QuotaUsec(const SandboxLimits& limits) {
  return std::max(limits.cpu_millis * kPeriodUsec / 1000, kMinQuotaUsec);
}

// The kernel's scale of cpu.shares is 2..262144 with 1024 for one core's worth.
int64_t Shares(const SandboxLimits& limits) {
  return std::clamp<int64_t>(limits.cpu_millis * 1024 / 1000, 2, 262'144);
}

// cpu.weight is 1..10000 with 100 for one core's worth.
int64_t Weight(const SandboxLimits& limits) {
  return std::clamp<int64_t>(limits.cpu_millis / 10, 1, 10'000);
}

}  // namespace

std::vector<CgroupSetting> SandboxSettingsV1(const SandboxLimits& limits) {
  const int64_t quota = QuotaUsec(limits);
  return {
      {"memory", "memory.limit_in_bytes", absl::StrCat(limits.memory_bytes), false},
      {"memory", "memory.memsw.limit_in_bytes", absl::StrCat(limits.memory_bytes), true},
      {"pids", "pids.max", absl::StrCat(limits.pids), false},
      {"cpu", "cpu.cfs_quota_us", absl::StrCat(quota), false},
      {"cpu", "cpu.cfs_burst_us", absl::StrCat(quota), true},
      {"blkio", "blkio.weight", absl::StrCat(std::clamp(limits.io_weight, 10, 1000)), true},
      {"blkio", "blkio.bfq.weight", absl::StrCat(std::clamp(limits.io_weight, 1, 1000)), true},
  };
}

std::vector<CgroupSetting> SandboxSettingsV2(const SandboxLimits& limits) {
  const int64_t quota = QuotaUsec(limits);
  return {
      {"memory", "memory.max", absl::StrCat(limits.memory_bytes), false},
      {"memory", "memory.swap.max", "0", true},
      {"pids", "pids.max", absl::StrCat(limits.pids), false},
      {"cpu", "cpu.max", absl::StrCat(quota, " ", kPeriodUsec), false},
      {"cpu", "cpu.max.burst", absl::StrCat(quota), true},
      {"io", "io.weight", absl::StrCat("default ", std::clamp(limits.io_weight, 1, 1000)), true},
  };
}

std::vector<CgroupSetting> SubtreeSettingsV1(const SandboxLimits& capacity) {
  // memsw may never be below the limit, so it is opened before a new limit is set.
  return {
      {"memory", "memory.memsw.limit_in_bytes", "-1", true},
      {"memory", "memory.limit_in_bytes", absl::StrCat(capacity.memory_bytes), false},
      {"memory", "memory.memsw.limit_in_bytes", absl::StrCat(capacity.memory_bytes), true},
      {"pids", "pids.max", absl::StrCat(capacity.pids), false},
      {"cpu", "cpu.shares", absl::StrCat(Shares(capacity)), false},
      // Refused while a sandbox that is there already has more.
      {"cpu", "cpu.cfs_quota_us", absl::StrCat(QuotaUsec(capacity)), true},
  };
}

std::vector<CgroupSetting> SubtreeSettingsV2(const SandboxLimits& capacity) {
  return {
      {"memory", "memory.max", absl::StrCat(capacity.memory_bytes), false},
      {"memory", "memory.swap.max", "0", true},
      {"pids", "pids.max", absl::StrCat(capacity.pids), false},
      {"cpu", "cpu.weight", absl::StrCat(Weight(capacity)), false},
      {"cpu", "cpu.max", absl::StrCat(QuotaUsec(capacity), " ", kPeriodUsec), false},
  };
}

}  // namespace paddock::nodeagent
