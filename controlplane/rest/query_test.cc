#include "controlplane/rest/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(QueryTest, SplitsAndDecodes) {
  const auto target = Target::Parse("/v1/environments/a%2Fb%20c?beta=true&page=%C3%A9+x");
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_THAT(target->path, ElementsAre("v1", "environments", "a/b c"));
  Violations violations;
  QueryReader query(*target, &violations);
  EXPECT_EQ(query.String("page"), "é x");
  query.RefuseTheRest();
  EXPECT_TRUE(violations.empty());
}

TEST(QueryTest, AnEmptyIdIsNoList) {
  EXPECT_THAT(Target::Parse("/v1/environments/")->path, ElementsAre("v1", "environments", ""));
}

TEST(QueryTest, RefusesWhatIsNoTarget) {
  for (const char* text : {"", "x", "*", "http://a/b", "/%", "/%4", "/%gg", "/%ff", "/a?b=%80"}) {
    EXPECT_FALSE(Target::Parse(text).ok()) << text;
  }
  std::string many = "/?";
  for (int i = 0; i < 300; ++i) many += "a=1&";
  EXPECT_FALSE(Target::Parse(many).ok());
}

TEST(QueryTest, NamesEveryWrongParameter) {
  const auto target = Target::Parse(
      "/x?limit=0&include_archived=yes&created_at%5Bgte%5D=today&page=1&page=2&lmit=3");
  Violations violations;
  QueryReader query(*target, &violations);
  EXPECT_EQ(query.Limit(100), 0);
  query.IncludeArchived();
  EXPECT_EQ(query.Time("created_at[gte]"), std::nullopt);
  query.String("page");
  query.RefuseTheRest();
  const std::string message(violations.ToStatus().message());
  EXPECT_THAT(message, HasSubstr("limit: must be a whole number, 1 to 100"));
  EXPECT_THAT(message, HasSubstr("include_archived: must be true or false"));
  EXPECT_THAT(message, HasSubstr("created_at[gte]: must be a time"));
  EXPECT_THAT(message, HasSubstr("and 2 more"));
}

TEST(QueryTest, ListsComeWithAndWithoutBrackets) {
  const auto target =
      Target::Parse("/x?statuses%5B%5D=idle&statuses[]=running&statuses=terminated");
  Violations violations;
  QueryReader query(*target, &violations);
  EXPECT_THAT(query.Strings("statuses"), ElementsAre("idle", "running", "terminated"));
  EXPECT_EQ(query.Time("created_at[gt]"), std::nullopt);
  query.RefuseTheRest();
  EXPECT_TRUE(violations.empty());
}

TEST(QueryTest, TimesTakeAnyOffset) {
  const auto target = Target::Parse("/x?a=2026-01-01T01:00:00%2B01:00&b=2026-01-01T00:00:00.5Z");
  Violations violations;
  QueryReader query(*target, &violations);
  EXPECT_EQ(*query.Time("b") - *query.Time("a"), absl::Milliseconds(500));
}

}  // namespace
}  // namespace paddock
