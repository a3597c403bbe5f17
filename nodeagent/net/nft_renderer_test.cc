#include "nodeagent/net/nft_renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

NetworkPlan Plan() { return *NetworkPlan::Create("7", "10.209.0.0/16"); }

Blocklists SomeBlocked() {
  return {{*ParseIpv4Network("10.0.0.0/8"), *ParseIpv4Network("198.51.100.7")},
          {*ParseIpv4Network("192.0.2.2")}};
}

TEST(NftRendererTest, RouterTableIsReplacedAsAWholeAndDropsByDefault) {
  std::string text = RenderRouterTable(Plan(), {SomeBlocked(), {}, {}, 100});
  EXPECT_EQ(
      text.rfind("add table inet paddock\ndelete table inet paddock\ntable inet paddock {", 0), 0u);
  for (const char* hook :
       {"prerouting priority raw", "input priority filter", "forward priority filter"}) {
    EXPECT_THAT(text, HasSubstr(std::string("hook ") + hook + "; policy drop;"));
  }
  EXPECT_THAT(text, Not(HasSubstr("$")));
}

TEST(NftRendererTest, RouterTableHoldsSessionsAndLists) {
  std::string text = RenderRouterTable(
      Plan(), {SomeBlocked(), {{"10.209.0.16", "s0xabcd"}, {"10.209.0.17", "s1xabcd"}}, {}, 100});
  EXPECT_THAT(text,
              HasSubstr("elements = { 10.209.0.16 . \"s0xabcd\", 10.209.0.17 . \"s1xabcd\" }"));
  EXPECT_THAT(text, HasSubstr("elements = { 10.0.0.0-10.255.255.255, 198.51.100.7 }"));
  EXPECT_THAT(text, HasSubstr("elements = { 192.0.2.2 }"));
  EXPECT_THAT(text, HasSubstr("ct count over 100 }"));
}

TEST(NftRendererTest, LimitedSessionsReachTheGatewaysListenerAndNothingElse) {
  std::string text =
      RenderRouterTable(Plan(), {SomeBlocked(), {}, {{"10.209.0.18", "s2xabcd"}}, 100});
  EXPECT_THAT(text, HasSubstr("set limited {\n    type ipv4_addr . ifname\n    size 65536\n    "
                              "elements = { 10.209.0.18 . \"s2xabcd\" }"));
  EXPECT_THAT(text, HasSubstr("ip daddr 198.18.0.0/16 meta l4proto tcp ip saddr . iifname @limited "
                              "tproxy ip to 127.0.0.1:15001"));
  // Refused in the forward chain before anything could accept it.
  size_t refused = text.find("    ip saddr . iifname @limited goto limited_forward");
  size_t forward = text.find("chain forward {");
  ASSERT_NE(refused, std::string::npos);
  EXPECT_LT(forward, refused);
  EXPECT_LT(refused, text.find("counter name accepted accept", forward));
  // The mark that the input chain trusts is set nowhere but where a packet was given to the
  // listener.
  EXPECT_LT(text.find("meta mark set 0\n"), text.find("tproxy"));
}

TEST(NftRendererTest, EveryRefusalIsTold) {
  std::string text = RenderRouterTable(Plan(), {});
  for (const char* verdict : {"limited", "blocklist", "node", "sibling", "router", "spoofed",
                              "protocol", "connections", "ipv6", "group"}) {
    EXPECT_THAT(text, HasSubstr(std::string("chain tell_") + verdict + " {"));
    EXPECT_THAT(text, HasSubstr(std::string("jump tell_") + verdict + "\n"));
    EXPECT_THAT(text, HasSubstr(std::string("log prefix \"") + verdict + "\" group 1"));
  }
}

TEST(NftRendererTest, EmptySetsHaveNoElementsLine) {
  EXPECT_THAT(RenderRouterTable(Plan(), {}), Not(HasSubstr("elements")));
}

TEST(NftRendererTest, BlockedDestinationsAreRefusedBeforeEstablishedConnectionsPass) {
  std::string text = RenderRouterTable(Plan(), {SomeBlocked(), {}, {}, 100});
  size_t established = text.find("ct state established,related counter name accepted accept");
  ASSERT_NE(established, std::string::npos);
  for (const char* rule :
       {"    ip daddr @blocked", "    ip daddr @node", "ct original ip daddr @blocked",
        "ct original ip daddr @node", "oifname != \"uplink\""}) {
    EXPECT_LT(text.find(rule), established) << rule;
  }
}

TEST(NftRendererTest, HostTableNamesTheInstanceOnly) {
  std::string text = RenderHostTable(Plan(), SomeBlocked());
  EXPECT_THAT(text, HasSubstr("table inet paddock-7 {"));
  EXPECT_THAT(text, HasSubstr("ip saddr 10.209.0.0/16 oifname != \"pdk-7\" masquerade"));
  EXPECT_THAT(text, HasSubstr("iifname \"pdk-7\" counter name denied_input drop"));
  EXPECT_THAT(text, Not(HasSubstr("$")));
}

TEST(NftRendererTest, BlocklistUpdateReplacesSetsOnly) {
  EXPECT_EQ(RenderBlocklistUpdate("paddock-7", SomeBlocked()),
            "flush set inet paddock-7 blocked\n"
            "add element inet paddock-7 blocked { 10.0.0.0-10.255.255.255, 198.51.100.7 }\n"
            "flush set inet paddock-7 node\n"
            "add element inet paddock-7 node { 192.0.2.2 }\n");
  EXPECT_EQ(RenderBlocklistUpdate("paddock", {}),
            "flush set inet paddock blocked\nflush set inet paddock node\n");
}

}  // namespace
}  // namespace paddock::nodeagent
