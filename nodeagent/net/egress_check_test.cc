#include "nodeagent/net/egress_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EgressCheckTest, FindsForeignChainsThatDropForwardedPackets) {
  EXPECT_THAT(FindDroppingChains(R"({"nftables": [
      {"metainfo": {"version": "1.0.6"}},
      {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "type": "filter",
                 "hook": "forward", "prio": 0, "policy": "drop"}},
      {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input",
                 "policy": "drop"}},
      {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "hook": "forward",
                 "policy": "drop"}},
      {"chain": {"family": "inet", "table": "paddock-1", "name": "forward", "hook": "forward",
                 "policy": "drop"}},
      {"chain": {"family": "inet", "table": "x", "name": "f", "hook": "forward",
                 "policy": "accept"}},
      {"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER"}}]})",
                                 "paddock-1"),
              ElementsAre("ip filter FORWARD"));
}

TEST(EgressCheckTest, SurvivesWhatIsNoListOfChains) {
  for (const char* text : {"", "{", "[]", "{}", R"({"nftables": {}})", R"({"nftables": [1, {}]})",
                           R"({"nftables": [{"chain": {"hook": 1}}]})"}) {
    EXPECT_THAT(FindDroppingChains(text, "t"), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace paddock::nodeagent
