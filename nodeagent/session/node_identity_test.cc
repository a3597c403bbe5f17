#include "nodeagent/session/node_identity.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr char kGiven[] = "node_0123456789abcdef0123456789";

class NodeIdentityTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string directory = absl::StrCat(testing::TempDir(), "/identity.XXXXXX");
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    directory_ = directory;
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(directory_).ok()); }

  absl::StatusOr<NodeIdentity> Load(const std::string& given_id = "") {
    return NodeIdentity::LoadOrCreate(directory_ + "/node.json", absl::FromUnixSeconds(1000),
                                      given_id);
  }

  std::string directory_;
};

TEST_F(NodeIdentityTest, KeepsTheIdThatItMade) {
  const auto made = Load();
  ASSERT_TRUE(made.ok()) << made.status();
  const auto again = Load();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->node_id(), made->node_id());
}

TEST_F(NodeIdentityTest, TakesTheIdThatIsGiven) {
  ASSERT_EQ(Load(kGiven)->node_id(), kGiven);
  EXPECT_EQ(Load(kGiven)->node_id(), kGiven);
  EXPECT_EQ(Load()->node_id(), kGiven);
}

TEST_F(NodeIdentityTest, RefusesTheStateOfAnotherNode) {
  const std::string made = Load()->node_id();
  const absl::Status refused = Load(kGiven).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_NE(refused.message().find(made), std::string::npos) << refused;
  EXPECT_EQ(Load()->node_id(), made);
}

TEST_F(NodeIdentityTest, RefusesWhatIsNoId) {
  EXPECT_TRUE(absl::IsInvalidArgument(Load("node-1").status()));
  EXPECT_FALSE(PathExists(directory_ + "/node.json"));
}

}  // namespace
}  // namespace paddock::nodeagent
