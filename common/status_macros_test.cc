#include "common/status_macros.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace paddock {
namespace {

absl::Status PassOn(const absl::Status& status, bool* went_on) {
  PADDOCK_RETURN_IF_ERROR(status);
  *went_on = true;
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ReturnIfErrorReturnsErrorsAndPassesOk) {
  bool went_on = false;
  EXPECT_EQ(PassOn(absl::NotFoundError("x"), &went_on), absl::NotFoundError("x"));
  EXPECT_FALSE(went_on);
  EXPECT_TRUE(PassOn(absl::OkStatus(), &went_on).ok());
  EXPECT_TRUE(went_on);
}

absl::StatusOr<int> Sum(absl::StatusOr<int> a, absl::StatusOr<int> b) {
  PADDOCK_ASSIGN_OR_RETURN(const int x, std::move(a));
  int y = 0;
  PADDOCK_ASSIGN_OR_RETURN(y, std::move(b));
  return x + y;
}

TEST(StatusMacrosTest, AssignOrReturnDeclaresAssignsAndReturnsErrors) {
  EXPECT_EQ(*Sum(1, 2), 3);
  EXPECT_EQ(Sum(absl::AbortedError("a"), 2).status(), absl::AbortedError("a"));
  EXPECT_EQ(Sum(1, absl::AbortedError("b")).status(), absl::AbortedError("b"));
}

absl::StatusOr<std::string> Unwrap(absl::StatusOr<std::unique_ptr<std::string>> value) {
  PADDOCK_ASSIGN_OR_RETURN(std::unique_ptr<std::string> text, std::move(value));
  return *text;
}

TEST(StatusMacrosTest, AssignOrReturnMovesWhatCannotBeCopied) {
  EXPECT_EQ(*Unwrap(std::make_unique<std::string>("moved")), "moved");
  EXPECT_FALSE(Unwrap(absl::InternalError("x")).ok());
}

}  // namespace
}  // namespace paddock
