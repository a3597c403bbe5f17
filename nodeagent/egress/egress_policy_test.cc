#include "nodeagent/egress/egress_policy.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

EgressPolicy Policy(std::vector<std::string> hosts, std::vector<HostPort> ports = {}) {
  NetworkPolicy policy;
  policy.kind = NetworkPolicy::Kind::kLimited;
  policy.hosts = std::move(hosts);
  policy.host_ports = std::move(ports);
  return *EgressPolicy::Create(policy);
}

TEST(EgressPolicyTest, ABareHostIsThatNameAlone) {
  EgressPolicy policy = Policy({"example.com"});
  EXPECT_TRUE(policy.Allows("example.com", 443));
  EXPECT_TRUE(policy.Allows("example.com", 1));
  for (const char* other : {"www.example.com", "xexample.com", "example.com.evil.test", "com", "",
                            "example.co", "example.com."}) {
    EXPECT_FALSE(policy.Allows(other, 443)) << other;
    EXPECT_FALSE(policy.AllowsName(other)) << other;
  }
}

TEST(EgressPolicyTest, AWildcardIsEveryDepthBelowAndNotTheApex) {
  EgressPolicy policy = Policy({"*.example.com"});
  EXPECT_TRUE(policy.Allows("a.example.com", 22));
  EXPECT_TRUE(policy.Allows("a.b.c.example.com", 22));
  EXPECT_TRUE(policy.AllowsName("_x.example.com"));
  for (const char* other :
       {"example.com", "aexample.com", ".example.com", "a..example.com", "*.example.com",
        "a.example.com.evil.test", "a\\046b.example.com", "a b.example.com"}) {
    EXPECT_FALSE(policy.AllowsName(other)) << other;
  }
}

TEST(EgressPolicyTest, AHostPortIsThatPortAlone) {
  EgressPolicy policy =
      Policy({"*.example.org"}, {{"mcp.example.com", 8443}, {"a.example.org", 1}});
  EXPECT_TRUE(policy.AllowsName("mcp.example.com"));
  EXPECT_TRUE(policy.Allows("mcp.example.com", 8443));
  EXPECT_FALSE(policy.Allows("mcp.example.com", 443));
  EXPECT_TRUE(policy.Allows("a.example.org", 443)) << "what allows more wins";
}

TEST(EgressPolicyTest, NamesAreNormalized) {
  EXPECT_EQ(NormalizeName("WWW.Example.COM."), "www.example.com");
  EXPECT_EQ(NormalizeName("a.."), "a.");
  EXPECT_TRUE(Policy({"Example.COM"}).Allows("example.com", 80));
  EXPECT_TRUE(IsHostName("xn--bcher-kva.example"));
  EXPECT_FALSE(IsHostName(std::string(64, 'a') + ".example"));
  EXPECT_TRUE(IsHostName(std::string(63, 'a') + ".example"));
  std::string longest;
  for (int i = 0; i < 4; ++i) longest += std::string(62, 'a') + ".";
  EXPECT_TRUE(IsHostName(longest + "a"));
  EXPECT_FALSE(IsHostName(longest + "aa"));
}

TEST(EgressPolicyTest, OneMalformedEntrySpoilsThePolicy) {
  for (const char* host :
       {"", "*", "*.", "a..b", "*.*.example.com", "a/b", "a:80", "a b", "\xff"}) {
    NetworkPolicy policy;
    policy.hosts = {"fine.example", host};
    EXPECT_FALSE(EgressPolicy::Create(policy).ok()) << host;
  }
  NetworkPolicy policy;
  policy.host_ports = {{"a.example", 0}};
  EXPECT_FALSE(EgressPolicy::Create(policy).ok());
}

TEST(EgressPolicyTest, AnEmptyPolicyAllowsNothing) {
  EXPECT_FALSE(Policy({}).AllowsName("example.com"));
}

}  // namespace
}  // namespace paddock::nodeagent
