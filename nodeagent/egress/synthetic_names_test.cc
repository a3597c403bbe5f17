#include "nodeagent/egress/synthetic_names.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

class SyntheticNamesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/names_test.XXXXXX";
    directory_ = mkdtemp(path);
    file_ = directory_ + "/names";
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(directory_).ok()); }
  std::string directory_, file_;
};

TEST_F(SyntheticNamesTest, ANameKeepsItsAddress) {
  uint32_t first;
  {
    SyntheticNames names(file_);
    first = *names.AddressOf("a.example");
    EXPECT_EQ(first, NetworkPlan::SyntheticAddress(0));
    EXPECT_EQ(*names.AddressOf("b.example"), first + 1);
    EXPECT_EQ(*names.AddressOf("a.example"), first);
    EXPECT_EQ(names.NameOf(first + 1), "b.example");
  }
  SyntheticNames again = *SyntheticNames::Load(file_);
  EXPECT_EQ(again.NameOf(first), "a.example");
  EXPECT_EQ(*again.AddressOf("b.example"), first + 1);
  EXPECT_EQ(*again.AddressOf("c.example"), first + 2);
  EXPECT_EQ(SyntheticNames::Load(file_)->size(), 3u);
}

TEST_F(SyntheticNamesTest, OtherAddressesAreNobodys) {
  SyntheticNames names(file_);
  ASSERT_TRUE(names.AddressOf("a.example").ok());
  for (uint32_t address : {NetworkPlan::kSinkhole, NetworkPlan::SyntheticAddress(1),
                           NetworkPlan::SyntheticAddress(0) - 1, 0u, ~0u}) {
    EXPECT_EQ(names.NameOf(address), "");
  }
  EXPECT_FALSE(names.AddressOf("two\nlines").ok());
}

TEST_F(SyntheticNamesTest, ATornFileKeepsWhatIsWhole) {
  ASSERT_TRUE(WriteFile(file_, "a.example\nb.exam").ok());
  SyntheticNames names = *SyntheticNames::Load(file_);
  EXPECT_EQ(names.size(), 1u);
  EXPECT_EQ(*names.AddressOf("c.example"), NetworkPlan::SyntheticAddress(1));
  EXPECT_EQ(*ReadFile(file_), "a.example\nc.example\n");
}

TEST_F(SyntheticNamesTest, ThePoolEnds) {
  std::string all;
  for (size_t i = 0; i < SyntheticNames::kMaxNames - 1; ++i) absl::StrAppend(&all, "n", i, "\n");
  ASSERT_TRUE(WriteFile(file_, all).ok());
  SyntheticNames names = *SyntheticNames::Load(file_);
  EXPECT_TRUE(names.AddressOf("last").ok());
  EXPECT_EQ(names.AddressOf("more").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(names.AddressOf("n7").ok());
}

}  // namespace
}  // namespace paddock::nodeagent
