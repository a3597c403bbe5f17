#include "controlplane/core/network_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

EnvironmentConfig Limited(bool mcp_servers, bool package_managers) {
  CloudConfig cloud;
  cloud.networking = LimitedNetwork{{"a.example", "*.b.example"}, mcp_servers, package_managers};
  return cloud;
}

Agent WithServers(const std::vector<std::string>& urls) {
  Agent agent;
  for (const std::string& url : urls) agent.mcp_servers.push_back({"server", url});
  return agent;
}

TEST(NetworkPolicyTest, AnUnrestrictedEnvironmentIsUnrestricted) {
  EXPECT_FALSE(NetworkPolicyOf(CloudConfig(), WithServers({"https://m.example"})).limited);
}

TEST(NetworkPolicyTest, LimitedTakesHostsAndSwitches) {
  const NetworkPolicy policy = NetworkPolicyOf(Limited(false, true), std::nullopt);
  EXPECT_TRUE(policy.limited);
  EXPECT_THAT(policy.hosts, ElementsAre("a.example", "*.b.example"));
  EXPECT_TRUE(policy.allow_package_managers);
  EXPECT_FALSE(NetworkPolicyOf(Limited(true, false), std::nullopt).allow_package_managers);
}

TEST(NetworkPolicyTest, McpServersBringTheirPorts) {
  const NetworkPolicy policy = NetworkPolicyOf(
      Limited(true, false),
      WithServers({"https://one.example/mcp", "http://two.example", "https://three.example:8443/",
                   "https://ONE.example/other", "https://one.example:444"}));
  EXPECT_THAT(policy.host_ports,
              ElementsAre(HostPort{"one.example", 443}, HostPort{"two.example", 80},
                          HostPort{"three.example", 8443}, HostPort{"one.example", 444}));
}

TEST(NetworkPolicyTest, ServersCountOnlyWhereTheyAreAllowed) {
  EXPECT_THAT(
      NetworkPolicyOf(Limited(false, false), WithServers({"https://one.example"})).host_ports,
      IsEmpty());
}

TEST(NetworkPolicyTest, AddressesAndNonsenseAreLeftOut) {
  EXPECT_THAT(NetworkPolicyOf(Limited(true, false),
                              WithServers({"http://10.0.0.1:8080/", "http://[::1]/",
                                           "ftp://x.example", "https://fine.example"}))
                  .host_ports,
              ElementsAre(HostPort{"fine.example", 443}));
}

}  // namespace
}  // namespace paddock
