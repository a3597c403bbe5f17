#include "nodeagent/session/start_health.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

class StartHealthTest : public ::testing::Test {
 protected:
  void FailInARow(int times) {
    for (int i = 0; i < times; ++i) health_.Failed();
  }

  int proofs_ = 0;
  absl::Status proof_;
  StartHealth health_{[this] {
    ++proofs_;
    return proof_;
  }};
};

TEST_F(StartHealthTest, AFewFailuresAreNoSuspicion) {
  FailInARow(StartHealth::kSuspicious - 1);
  health_.Started();
  FailInARow(StartHealth::kSuspicious - 1);
  health_.Check();
  EXPECT_EQ(proofs_, 0);
  EXPECT_EQ(health_.not_schedulable_reason(), "");
}

TEST_F(StartHealthTest, SessionsThatCantStartAnywhereDontCondemnTheNode) {
  FailInARow(StartHealth::kSuspicious);
  health_.Check();
  EXPECT_EQ(proofs_, 1);
  EXPECT_EQ(health_.not_schedulable_reason(), "");
  health_.Check();
  EXPECT_EQ(proofs_, 1) << "the proof ended the suspicion";
}

TEST_F(StartHealthTest, ABrokenNodeTakesNoWorkAndSaysWhyUntilASandboxStarts) {
  proof_ = absl::InternalError("crun: no such file");
  FailInARow(StartHealth::kSuspicious);
  health_.Check();
  EXPECT_THAT(health_.not_schedulable_reason(), HasSubstr("STARTS_FAIL"));
  EXPECT_THAT(health_.not_schedulable_reason(), HasSubstr("crun: no such file"));
  health_.Check();
  EXPECT_THAT(health_.not_schedulable_reason(), HasSubstr("STARTS_FAIL"));
  proof_ = absl::OkStatus();
  health_.Check();
  EXPECT_EQ(proofs_, 3);
  EXPECT_EQ(health_.not_schedulable_reason(), "");
}

}  // namespace
}  // namespace paddock::nodeagent
