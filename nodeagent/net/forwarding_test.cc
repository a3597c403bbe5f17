#include "nodeagent/net/forwarding.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

// The setting is a plain file here.
class ForwardingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/forwarding_test.XXXXXX";
    root_ = mkdtemp(path);
    Write("0\n");
  }
  void TearDown() override { ASSERT_TRUE(RemoveTree(root_).ok()); }
  void Write(const char* value) { ASSERT_TRUE(WriteFile(Setting(), value).ok()); }
  std::string Setting() { return absl::StrCat(root_, "/ip_forward"); }
  std::string Directory() { return absl::StrCat(root_, "/run"); }
  SharedForwarding Make() { return SharedForwarding(Directory(), Setting()); }

  std::string root_;
};

TEST_F(ForwardingTest, TheLastUserRestoresWhatTheFirstFound) {
  SharedForwarding forwarding = Make();
  ASSERT_TRUE(forwarding.Acquire("1").ok());
  ASSERT_TRUE(forwarding.Acquire("1").ok());
  ASSERT_TRUE(forwarding.Acquire("2").ok());
  EXPECT_TRUE(forwarding.IsOn());
  ASSERT_TRUE(forwarding.Release("1").ok());
  EXPECT_TRUE(forwarding.IsOn());
  ASSERT_TRUE(forwarding.Release("1").ok());
  EXPECT_TRUE(forwarding.IsOn()) << "releasing twice must not count twice";
  ASSERT_TRUE(forwarding.Release("2").ok());
  EXPECT_FALSE(forwarding.IsOn());
  EXPECT_FALSE(PathExists(Directory()));
}

TEST_F(ForwardingTest, StaysOnWhereItWasOn) {
  Write("1\n");
  SharedForwarding forwarding = Make();
  ASSERT_TRUE(forwarding.Acquire("1").ok());
  ASSERT_TRUE(forwarding.Release("1").ok());
  EXPECT_TRUE(forwarding.IsOn());
}

TEST_F(ForwardingTest, ReleasingWhatWasNeverAcquiredChangesNothing) {
  Write("1\n");
  EXPECT_TRUE(Make().Release("1").ok());
  EXPECT_TRUE(Make().IsOn());
  EXPECT_FALSE(PathExists(Directory()));
}

}  // namespace
}  // namespace paddock::nodeagent
