#include "nodeagent/system/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace paddock::nodeagent {
namespace {

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    char name[] = "/tmp/paddock-file-test-XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~FileTest() override { EXPECT_TRUE(RemoveTree(dir_).ok()); }
  std::string dir_;
};

TEST_F(FileTest, ReplacesAtomicallyAndLeavesNoTemporaries) {
  const std::string path = dir_ + "/f";
  ASSERT_TRUE(WriteFileAtomically(path, "one").ok());
  ASSERT_TRUE(WriteFileAtomically(path, "two", 0640).ok());
  EXPECT_EQ(*ReadFile(path), "two");
  EXPECT_EQ(*ListDirectory(dir_), std::vector<std::string>{"f"});
  struct stat st = {};
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0640U);
}

TEST_F(FileTest, LeavesTheOldFileWhenTheNewOneFails) {
  const std::string path = dir_ + "/f";
  ASSERT_TRUE(MakeDirectories(path + "/below").ok());  // A directory can't be replaced by a file.
  EXPECT_FALSE(WriteFileAtomically(path, "x").ok());
  EXPECT_EQ(*ListDirectory(dir_), std::vector<std::string>{"f"});
}

TEST_F(FileTest, RefusesFilesThatAreTooLong) {
  ASSERT_TRUE(WriteFile(dir_ + "/f", std::string(1000, 'x')).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(ReadFile(dir_ + "/f", 999).status()));
  EXPECT_TRUE(ReadFile(dir_ + "/f", 1000).ok());
  EXPECT_TRUE(absl::IsNotFound(ReadFile(dir_ + "/g").status()));
}

TEST_F(FileTest, RemovesTreesWithoutFollowingLinks) {
  ASSERT_TRUE(MakeDirectories(dir_ + "/keep").ok());
  ASSERT_TRUE(WriteFile(dir_ + "/keep/f", "x").ok());
  ASSERT_TRUE(MakeDirectories(dir_ + "/tree/a/b").ok());
  ASSERT_EQ(symlink((dir_ + "/keep").c_str(), (dir_ + "/tree/a/link").c_str()), 0);
  ASSERT_TRUE(RemoveTree(dir_ + "/tree").ok());
  EXPECT_FALSE(PathExists(dir_ + "/tree"));
  EXPECT_TRUE(PathExists(dir_ + "/keep/f"));
  ASSERT_EQ(symlink((dir_ + "/keep").c_str(), (dir_ + "/link").c_str()), 0);
  ASSERT_TRUE(RemoveTree(dir_ + "/link").ok());
  EXPECT_TRUE(PathExists(dir_ + "/keep/f"));
  EXPECT_TRUE(RemoveTree(dir_ + "/nothing").ok());
}

TEST_F(FileTest, MakesDirectoriesOnce) {
  EXPECT_TRUE(MakeDirectories(dir_ + "/a/b/c").ok());
  EXPECT_TRUE(MakeDirectories(dir_ + "/a/b/c").ok());
  ASSERT_TRUE(WriteFile(dir_ + "/f", "").ok());
  EXPECT_FALSE(MakeDirectories(dir_ + "/f").ok());
  EXPECT_FALSE(MakeDirectories(dir_ + "/f/below").ok());
}

}  // namespace
}  // namespace paddock::nodeagent
