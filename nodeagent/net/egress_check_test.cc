#include "nodeagent/net/egress_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
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

TEST(EgressCheckTest, AMachineWithIpv6AloneIsRefusedWithTheReason) {
  const absl::Status refused = RefuseIpv6Alone("[fd00::7]:7501", false);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("[fd00::7]:7501 and no IPv4 default route"));
  EXPECT_TRUE(RefuseIpv6Alone("[fd00::7]:7501", true).ok()) << "dual stack";
  // A machine without a way out is a machine all the same.
  EXPECT_TRUE(RefuseIpv6Alone("192.0.2.7:7501", false).ok());
  EXPECT_TRUE(RefuseIpv6Alone("node.example:7501", false).ok());
}

TEST(EgressCheckTest, SurvivesWhatIsNoListOfChains) {
  for (const char* text : {"", "{", "[]", "{}", R"({"nftables": {}})", R"({"nftables": [1, {}]})",
                           R"({"nftables": [{"chain": {"hook": 1}}]})"}) {
    EXPECT_THAT(FindDroppingChains(text, "t"), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace paddock::nodeagent
