#include "common/ids.h"

#include <set>
#include <type_traits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(IdsTest, NewIdsHaveTheirForm) {
  for (absl::string_view prefix :
       {kAgentPrefix, kEnvironmentPrefix, kSessionPrefix, kNodePrefix, kApiKeyPrefix}) {
    const std::string id = NewId(prefix, kNow);
    EXPECT_EQ(id.size(), prefix.size() + 26);
    EXPECT_TRUE(IsWellFormedId(prefix, id)) << id;
  }
}

TEST(IdsTest, IdsSortByTime) {
  absl::Time time = absl::FromUnixMillis(1);
  std::string previous = NewId("env_", time);
  for (int i = 0; i < 40; ++i) {
    time = absl::FromUnixMillis(absl::ToUnixMillis(time) * 2 + 1);
    if (absl::ToUnixMillis(time) >= int64_t{1} << 48) break;
    const std::string next = NewId("env_", time);
    EXPECT_LT(previous, next);
    previous = next;
  }
}

TEST(IdsTest, IdsOfOneInstantSortInTheOrderOfTheirMaking) {
  std::string previous = NewId("sesn_", kNow);
  for (int i = 0; i < 10'000; ++i) {
    const std::string next = NewId("sesn_", kNow);
    EXPECT_LT(previous, next);
    // One that was timed earlier and made later disturbs nothing.
    EXPECT_LT(NewId("sesn_", kNow - absl::Milliseconds(1)), next);
    previous = next;
  }
}

TEST(IdsTest, IdsOfOneInstantDiffer) {
  std::set<std::string> ids;
  for (int i = 0; i < 10'000; ++i) ids.insert(NewId("sesn_", kNow));
  EXPECT_EQ(ids.size(), 10'000u);
}

TEST(IdsTest, OtherFormsAreRefused) {
  const std::string id = NewId("env_", kNow);
  const std::string body = id.substr(4);
  const std::string malformed[] = {
      "",
      "env_",
      body,
      "sesn_" + body,
      "ENV_" + body,
      id + "0",
      id.substr(0, id.size() - 1),
      id + "\n",
      "env_" + std::string(26, 'u'),  // Not in the alphabet.
      "env_" + std::string(26, 'A'),
      "env_" + std::string(25, '0') + std::string(1, '\0'),
      "env_'; DROP TABLE environments;",
      std::string(1 << 20, 'e'),
  };
  for (const std::string& text : malformed) {
    EXPECT_FALSE(IsWellFormedId("env_", text)) << text.substr(0, 64);
  }
}

TEST(IdsTest, IdsOfDifferentKindsCannotBeMixed) {
  EXPECT_FALSE((std::is_convertible_v<SessionId, NodeId>));
  EXPECT_FALSE((std::is_convertible_v<std::string, SessionId>));
  EXPECT_EQ(SessionId("a"), SessionId("a"));
  EXPECT_NE(SessionId("a"), SessionId("b"));
  EXPECT_LT(SessionId("a"), SessionId("b"));
  EXPECT_TRUE(SessionId().empty());
}

}  // namespace
}  // namespace paddock
