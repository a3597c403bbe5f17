#include "nodeagent/net/network_plan.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

TEST(NetworkPlanTest, DrawsAddressesFromTheSubnet) {
  NetworkPlan plan = *NetworkPlan::Create("1", "10.201.0.0/16");
  EXPECT_EQ(plan.HostAddress(), "10.201.0.1");
  EXPECT_EQ(plan.RouterAddress(), "10.201.0.2");
  EXPECT_EQ(plan.GatewayAddress(), "10.201.0.3");
  EXPECT_EQ(plan.SlotAddress(0), "10.201.0.16");
  EXPECT_EQ(plan.SlotAddress(plan.MaxSlots() - 1), "10.201.255.254");
  EXPECT_EQ(plan.Subnet(), "10.201.0.0/16");
  EXPECT_EQ(plan.HostInterface(), "pdk-1");
  EXPECT_EQ(plan.HostTable(), "paddock-1");
}

TEST(NetworkPlanTest, RefusesWhatCantBeAnInterfaceNameOrASubnet) {
  for (const char* instance : {"", "12345678901", "a b", "A", "x/y", "x\""}) {
    EXPECT_FALSE(NetworkPlan::Create(instance, "10.201.0.0/16").ok()) << instance;
  }
  for (const char* subnet : {"", "10.201.0.0", "10.201.0.1/16", "10.0.0.0/7", "10.0.0.0/25",
                             "10.0.0/16", "fd00::/64", "10.201.0.0/16/16"}) {
    EXPECT_FALSE(NetworkPlan::Create("1", subnet).ok()) << subnet;
  }
}

}  // namespace
}  // namespace paddock::nodeagent
