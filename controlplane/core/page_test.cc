#include "controlplane/core/page.h"

#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(Page, TokenLeadsToTheItemAfterTheLast) {
  const std::string token = MakePageToken("environments/o/w", "env_1");
  auto query = ParsePageRequest("environments/o/w", {5, token});
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_EQ(query->after, "env_1");
  EXPECT_EQ(query->limit, 5);
}

TEST(Page, SizeZeroIsTheDefaultAndBoundsAreChecked) {
  EXPECT_EQ(ParsePageRequest("s", {0, ""})->limit, kDefaultPageSize);
  EXPECT_EQ(ParsePageRequest("s", {kMaxPageSize, ""})->limit, kMaxPageSize);
  EXPECT_EQ(ParsePageRequest("s", {kMaxPageSize + 1, ""}).status().code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status refused = ParsePageRequest("s", {-1, ""}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.message(), "page_size: must be between 0 and 1000");
}

TEST(Page, EveryChangedCharacterMakesATokenInvalid) {
  const std::string token = MakePageToken("s", "env_01abc");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string garbled = token;
    garbled[i] = garbled[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(ParsePageRequest("s", {0, garbled}).ok()) << i;
  }
  EXPECT_FALSE(ParsePageRequest("s", {0, token.substr(1)}).ok());
  EXPECT_FALSE(ParsePageRequest("s", {0, token + "A"}).ok());
  EXPECT_FALSE(ParsePageRequest("s", {0, std::string("\xff\x00", 2)}).ok());
}

TEST(Page, TokenOfAnotherScopeIsInvalid) {
  EXPECT_FALSE(ParsePageRequest("sessions/o/w", {0, MakePageToken("sessions/o/x", "sesn_1")}).ok());
}

TEST(Page, LastPageHasNoToken) {
  auto id_of = [](const std::string& s) { return s; };
  EXPECT_EQ(MakePage("s", StorePage<std::string>{{"a", "b"}, false}, id_of).next_page_token, "");
  EXPECT_EQ(MakePage("s", StorePage<std::string>{{"a", "b"}, true}, id_of).next_page_token,
            MakePageToken("s", "b"));
}

}  // namespace
}  // namespace paddock
