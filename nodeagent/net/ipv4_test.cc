#include "nodeagent/net/ipv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Ipv4Range Network(const char* text) { return *ParseIpv4Network(text); }

std::vector<std::string> Format(const std::vector<Ipv4Range>& ranges) {
  std::vector<std::string> text;
  for (const Ipv4Range& range : ranges) text.push_back(FormatIpv4Range(range));
  return text;
}

TEST(Ipv4Test, ParsesOnlyDottedQuads) {
  EXPECT_EQ(*ParseIpv4("10.1.2.3"), 0x0a010203u);
  for (const char* text : {"", "10.1.2", "10.1.2.256", "::1", "10.1.2.3 ", "0x0a.1.2.3", "a.b"}) {
    EXPECT_FALSE(ParseIpv4(text).ok()) << text;
  }
}

TEST(Ipv4Test, NetworksCoverEveryAddressOfThePrefix) {
  EXPECT_EQ(FormatIpv4Range(Network("10.1.2.3/8")), "10.0.0.0-10.255.255.255");
  EXPECT_EQ(FormatIpv4Range(Network("192.0.2.7")), "192.0.2.7");
  EXPECT_EQ(FormatIpv4Range(Network("0.0.0.0/0")), "0.0.0.0-255.255.255.255");
  for (const char* text :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "fe80::/10"}) {
    EXPECT_FALSE(ParseIpv4Network(text).ok()) << text;
  }
}

TEST(Ipv4Test, MergeJoinsOverlapsAndNeighbours) {
  EXPECT_THAT(
      Format(MergeRanges({Network("10.0.1.0/24"), Network("10.0.0.0/24"), Network("10.0.0.128/25"),
                          Network("10.0.3.0/24"), Network("255.255.255.255"), Network("0.0.0.0")})),
      ElementsAre("0.0.0.0", "10.0.0.0-10.0.1.255", "10.0.3.0-10.0.3.255", "255.255.255.255"));
}

TEST(Ipv4Test, SubtractLeavesBothSidesOfAHole) {
  EXPECT_THAT(Format(SubtractRanges({Network("10.0.0.0/8")},
                                    {Network("10.1.0.0/16"), Network("10.0.0.0/24"),
                                     Network("10.255.255.0/24"), Network("172.16.0.0/12")})),
              ElementsAre("10.0.1.0-10.0.255.255", "10.2.0.0-10.255.254.255"));
  EXPECT_THAT(SubtractRanges({Network("255.0.0.0/8")}, {Network("0.0.0.0/0")}), IsEmpty());
}

}  // namespace
}  // namespace paddock::nodeagent
