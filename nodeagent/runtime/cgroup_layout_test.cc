#include "nodeagent/runtime/cgroup_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

MountEntry V1(const std::string& path, const std::string& options) {
  MountEntry entry;
  entry.mount_point = path;
  entry.file_system = "cgroup";
  entry.super_options = options;
  return entry;
}

MountEntry V2(const std::string& path) {
  MountEntry entry;
  entry.mount_point = path;
  entry.file_system = "cgroup2";
  entry.super_options = "rw,nsdelegate";
  return entry;
}

std::vector<MountEntry> HybridMounts() {
  return {V1("/c/cpu", "rw,cpu"),
          V1("/c/cpuacct", "rw,cpuacct"),
          V1("/c/memory", "rw,memory"),
          V1("/c/pids", "rw,pids"),
          V1("/c/blkio", "rw,blkio"),
          V1("/c/freezer", "rw,freezer"),
          V1("/c/systemd", "rw,name=systemd"),
          V2("/c/unified")};
}

std::vector<std::string> Used(const CgroupLayout& layout) {
  std::vector<std::string> paths;
  for (const CgroupHierarchy& hierarchy : layout.used) paths.push_back(hierarchy.mount_point);
  return paths;
}

TEST(CgroupLayoutTest, UsesTheOneTreeOfV2) {
  const absl::StatusOr<CgroupLayout> layout =
      ChooseCgroupLayout({V2("/sys/fs/cgroup")}, "cpuset cpu io memory hugetlb pids\n");
  ASSERT_TRUE(layout.ok());
  EXPECT_THAT(Used(*layout), ::testing::ElementsAre("/sys/fs/cgroup"));
  EXPECT_TRUE(layout->kill().v2);
}

TEST(CgroupLayoutTest, UsesNoMoreThanItNeedsOfAHybridHost) {
  const absl::StatusOr<CgroupLayout> layout = ChooseCgroupLayout(HybridMounts(), "hugetlb\n");
  ASSERT_TRUE(layout.ok());
  EXPECT_THAT(Used(*layout), ::testing::UnorderedElementsAre("/c/cpu", "/c/memory", "/c/pids",
                                                             "/c/blkio", "/c/freezer"));
  EXPECT_EQ(layout->kill().mount_point, "/c/freezer");
}

TEST(CgroupLayoutTest, UnderstandsHierarchiesOfSeveralControllers) {
  const absl::StatusOr<CgroupLayout> layout =
      ChooseCgroupLayout({V1("/c/cpu,cpuacct", "rw,cpu,cpuacct"), V1("/c/memory", "rw,memory"),
                          V1("/c/pids", "rw,pids"), V1("/c/freezer", "rw,freezer")},
                         "");
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->Find("cpuacct"), layout->Find("cpu"));
}

TEST(CgroupLayoutTest, MixesBothVersions) {
  const absl::StatusOr<CgroupLayout> layout =
      ChooseCgroupLayout({V2("/c/unified"), V1("/c/cpu", "rw,cpu")}, "memory pids");
  ASSERT_TRUE(layout.ok());
  EXPECT_THAT(Used(*layout), ::testing::UnorderedElementsAre("/c/unified", "/c/cpu"));
  EXPECT_EQ(layout->kill().mount_point, "/c/unified");
}

TEST(CgroupLayoutTest, NamesTheControllerThatIsMissing) {
  const absl::Status status = ChooseCgroupLayout({V2("/c")}, "cpu memory").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("\"pids\""));
}

TEST(CgroupLayoutTest, NeedsTheFreezerOfV1) {
  std::vector<MountEntry> mounts = HybridMounts();
  mounts.erase(mounts.begin() + 5);
  EXPECT_THAT(std::string(ChooseCgroupLayout(mounts, "").status().message()),
              ::testing::HasSubstr("freezer"));
}

}  // namespace
}  // namespace paddock::nodeagent
