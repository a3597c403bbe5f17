#include "nodeagent/system/mount.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

TEST(MountInfoTest, ReadsFieldsAfterOptionalOnes) {
  const std::vector<MountEntry> entries = ParseMountInfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
      "40 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n");
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].root, "/mnt1");
  EXPECT_EQ(entries[0].mount_point, "/mnt2");
  EXPECT_EQ(entries[0].file_system, "ext3");
  EXPECT_EQ(entries[0].source, "/dev/root");
  EXPECT_EQ(entries[0].super_options, "rw,errors=continue");
  EXPECT_TRUE(entries[0].shared);
  EXPECT_EQ(entries[1].file_system, "cgroup2");
  EXPECT_FALSE(entries[1].shared);
}

TEST(MountInfoTest, TheMountOfAPathIsTheDeepestAndTheLast) {
  const std::vector<MountEntry> mounts = ParseMountInfo(
      "1 0 8:1 / / rw - ext4 /dev/a rw\n"
      "2 1 8:2 / /srv rw - ext4 /dev/b rw\n"
      "3 2 8:3 / /srv/pad rw - ext4 /dev/c rw\n"
      "4 1 8:4 / /srv rw - ext4 /dev/d rw\n");
  EXPECT_EQ(MountThatHolds(mounts, "/srv/paddock")->source, "/dev/d");
  EXPECT_EQ(MountThatHolds(mounts, "/srv/pad/x")->source, "/dev/c");
  EXPECT_EQ(MountThatHolds(mounts, "/var")->source, "/dev/a");
  EXPECT_EQ(MountThatHolds({}, "/var"), nullptr);
}

TEST(MountInfoTest, UndoesEscapes) {
  const std::vector<MountEntry> entries =
      ParseMountInfo("1 2 0:1 / /a\\040b\\134c\\012d rw - tmpfs none rw\n");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].mount_point, "/a b\\c\nd");
}

TEST(MountInfoTest, LeavesOutWhatItDoesNotUnderstand) {
  EXPECT_TRUE(ParseMountInfo("").empty());
  EXPECT_TRUE(ParseMountInfo("nonsense\n1 2 3\n - x y z\n1 2 0:1 / /a\n").empty());
}

TEST(MountIsNeededTest, KeepsWhatHoldsNeededPathsAndTheKernelsOwn) {
  const std::vector<std::string> needed = {"/usr", "/srv/paddock/state"};
  for (const char* path : {"/", "/usr", "/srv", "/srv/paddock/state", "/proc", "/sys/fs/cgroup",
                           "/dev/shm", "/usr/local"}) {
    EXPECT_TRUE(MountIsNeeded(path, needed)) << path;
  }
  for (const char* path : {"/srv/paddock/volumes", "/srv/paddock/state/gateway/router.netns",
                           "/srv/pad", "/mnt/usb", "/process"}) {
    EXPECT_FALSE(MountIsNeeded(path, needed)) << path;
  }
}

TEST(MountInfoTest, ReadsTheMachinesOwn) {
  const absl::StatusOr<std::vector<MountEntry>> mounts = ReadMounts();
  ASSERT_TRUE(mounts.ok());
  bool root = false;
  for (const MountEntry& mount : *mounts) root = root || mount.mount_point == "/";
  EXPECT_TRUE(root);
}

}  // namespace
}  // namespace paddock::nodeagent
