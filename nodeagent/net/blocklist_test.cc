#include "nodeagent/net/blocklist.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

bool Contains(const std::vector<Ipv4Range>& ranges, const char* address) {
  uint32_t value = *ParseIpv4(address);
  return std::any_of(ranges.begin(), ranges.end(), [&](const Ipv4Range& range) {
    return range.first <= value && value <= range.last;
  });
}

TEST(BlocklistTest, BuiltInCoversSpecialNetworksButNotDocumentationOnes) {
  std::vector<Ipv4Range> ranges = BuiltInBlocklist();
  for (const char* address :
       {"0.0.0.0", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "168.63.129.16",
        "169.254.169.254", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.19.255.255",
        "224.0.0.251", "255.255.255.255"}) {
    EXPECT_TRUE(Contains(ranges, address)) << address;
  }
  for (const char* address : {"1.1.1.1", "100.128.0.0", "172.32.0.0", "192.0.2.2", "198.51.100.1",
                              "203.0.113.9", "168.63.129.17", "223.255.255.255"}) {
    EXPECT_FALSE(Contains(ranges, address)) << address;
  }
}

TEST(BlocklistTest, OperatorTakesOutOfTheBuiltInOnlyAndBlockWins) {
  OperatorRules rules = *ParseOperatorRules(
      "# our services\n"
      "allow 10.20.0.0/16\n"
      "\tblock 203.0.113.0/24  # a neighbour\r\n"
      "block 10.20.1.0/24\n"
      "block 2001:db8::/32\n");
  std::vector<Ipv4Range> ranges = EffectiveBlocklist(rules);
  EXPECT_FALSE(Contains(ranges, "10.20.0.1"));
  EXPECT_TRUE(Contains(ranges, "10.20.1.1"));
  EXPECT_TRUE(Contains(ranges, "10.21.0.1"));
  EXPECT_TRUE(Contains(ranges, "203.0.113.9"));
}

TEST(BlocklistTest, HostPatternsMatchWholeLabels) {
  OperatorRules rules = *ParseOperatorRules("block-host Bad.Example\nblock-host *.evil.example\n");
  EXPECT_TRUE(HostBlocked(rules, "bad.example"));
  EXPECT_TRUE(HostBlocked(rules, "BAD.example."));
  EXPECT_TRUE(HostBlocked(rules, "a.b.evil.example"));
  EXPECT_FALSE(HostBlocked(rules, "evil.example"));
  EXPECT_FALSE(HostBlocked(rules, "notevil.example"));
  EXPECT_FALSE(HostBlocked(rules, "x.bad.example"));
  EXPECT_FALSE(HostBlocked(rules, ""));
}

TEST(BlocklistTest, AnErrorNamesItsLine) {
  for (const char* text : {"block 10.0.0.0/8\nblock\n", "\nopen 10.0.0.0/8", "\nblock 10.0.0.0/99",
                           "\nblock-host *.a.*", "\nallow 10.0.0.0/8 now"}) {
    absl::Status status = ParseOperatorRules(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 2")) << text;
  }
}

}  // namespace
}  // namespace paddock::nodeagent
