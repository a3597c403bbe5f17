#include "nodeagent/system/tree_digest.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>

#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

class TreeDigestTest : public ::testing::Test {
 protected:
  TreeDigestTest() {
    char name[] = "/var/tmp/paddock-digest-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~TreeDigestTest() override { RemoveTree(directory_).IgnoreError(); }

  // The same tree each time, with the same times.
  std::string Make(const std::string& name) {
    const std::string root = directory_ + "/" + name;
    EXPECT_TRUE(MakeDirectories(root + "/bin").ok());
    EXPECT_TRUE(WriteFile(root + "/bin/tool", "#!/bin/sh\n", 0755).ok());
    EXPECT_EQ(link((root + "/bin/tool").c_str(), (root + "/bin/twin").c_str()), 0);
    EXPECT_EQ(symlink("tool", (root + "/bin/alias").c_str()), 0);
    EXPECT_TRUE(WriteFile(root + "/empty", "").ok());
    SetTimes(root);
    return root;
  }
  static void SetTimes(const std::string& root) {
    const timespec times[2] = {{1000, 0}, {1000, 5}};
    for (const char* part : {"/bin/tool", "/bin/alias", "/bin", "/empty", ""}) {
      utimensat(AT_FDCWD, (root + part).c_str(), times, AT_SYMLINK_NOFOLLOW);
    }
  }
  static std::string Digest(const std::string& root, const std::string& seed = "") {
    TreeDigestOptions options;
    options.seed = seed;
    const absl::StatusOr<TreeDigest> digest = DigestTree(root, options);
    EXPECT_TRUE(digest.ok()) << digest.status();
    return digest.ok() ? digest->digest : "";
  }
  std::string directory_;
};

TEST_F(TreeDigestTest, EqualTreesHaveEqualDigestsWhereverTheyLie) {
  const std::string digest = Digest(Make("a"));
  EXPECT_EQ(digest, Digest(Make("b")));
  EXPECT_EQ(digest.size(), 7u + 64u);
  EXPECT_NE(digest, Digest(directory_ + "/a", "another parent"));
}

TEST_F(TreeDigestTest, EveryKindOfChangeShows) {
  const std::string before = Digest(Make("a"));
  const std::vector<std::function<void(const std::string&)>> changes = {
      [](const std::string& r) { ASSERT_TRUE(WriteFile(r + "/empty", "x").ok()); },
      [](const std::string& r) { ASSERT_EQ(chmod((r + "/bin/tool").c_str(), 04755), 0); },
      [](const std::string& r) {
        ASSERT_EQ(rename((r + "/empty").c_str(), (r + "/other").c_str()), 0);
      },
      [](const std::string& r) {
        ASSERT_EQ(unlink((r + "/bin/alias").c_str()), 0);
        ASSERT_EQ(symlink("else", (r + "/bin/alias").c_str()), 0);
      },
      [](const std::string& r) {
        ASSERT_EQ(unlink((r + "/bin/twin").c_str()), 0);
        ASSERT_TRUE(WriteFile(r + "/bin/twin", "#!/bin/sh\n", 0755).ok());
      },
      [](const std::string& r) { ASSERT_TRUE(MakeDirectories(r + "/more").ok()); },
      [](const std::string& r) {
        ASSERT_EQ(setxattr((r + "/empty").c_str(), "user.note", "1", 1, 0), 0);
      },
  };
  int number = 0;
  for (const auto& change : changes) {
    const std::string root = Make("changed" + std::to_string(number++));
    ASSERT_EQ(Digest(root), before);
    change(root);
    SetTimes(root);
    EXPECT_NE(Digest(root), before) << "change " << number;
  }
}

TEST_F(TreeDigestTest, CountsAFileWithTwoNamesOnce) {
  const std::string root = directory_ + "/tree";
  ASSERT_TRUE(MakeDirectories(root).ok());
  ASSERT_TRUE(WriteFile(root + "/big", std::string(1 << 20, 'x')).ok());
  ASSERT_EQ(link((root + "/big").c_str(), (root + "/twin").c_str()), 0);
  const absl::StatusOr<TreeDigest> digest = DigestTree(root, {});
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(digest->entries, 2);
  EXPECT_GE(digest->bytes, 1 << 20);
  EXPECT_LT(digest->bytes, 2 << 20);
}

TEST_F(TreeDigestTest, BoundsHoldAgainstHostileTrees) {
  const std::string root = Make("a");
  TreeDigestOptions options;
  options.max_entries = 2;
  EXPECT_TRUE(absl::IsResourceExhausted(DigestTree(root, options).status()));
  options = {};
  options.max_depth = 1;
  EXPECT_TRUE(absl::IsResourceExhausted(DigestTree(root, options).status()));
  options = {};
  ASSERT_EQ(truncate((root + "/empty").c_str(), int64_t{1} << 40), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(DigestTree(root, options).status()));
  options.max_bytes = int64_t{1} << 41;
  options.cancelled = [] { return true; };
  EXPECT_TRUE(absl::IsCancelled(DigestTree(root, options).status()));
}

TEST_F(TreeDigestTest, APipeIsNeitherOpenedNorFollowed) {
  const std::string root = Make("a");
  ASSERT_EQ(mkfifo((root + "/pipe").c_str(), 0644), 0);
  ASSERT_EQ(symlink("/etc/shadow", (root + "/out").c_str()), 0);
  EXPECT_FALSE(Digest(root).empty());
}

}  // namespace
}  // namespace paddock::nodeagent
