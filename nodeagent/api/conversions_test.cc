#include "nodeagent/api/conversions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;

internal::v1::NetworkPolicy Limited() {
  internal::v1::NetworkPolicy proto;
  proto.mutable_limited()->add_hosts("a.example");
  proto.mutable_limited()->set_allow_package_managers(true);
  internal::v1::NetworkPolicy::HostPort* target = proto.mutable_limited()->add_host_ports();
  target->set_host("m.example");
  target->set_port(8443);
  return proto;
}

TEST(NetworkFromProtoTest, ALimitedPolicyIsTakenWhole) {
  const SessionNetwork network = NetworkFromProto(Limited());
  EXPECT_EQ(network.policy.kind, NetworkPolicy::Kind::kLimited);
  EXPECT_THAT(network.policy.hosts, ElementsAre("a.example"));
  EXPECT_TRUE(network.allow_package_managers);
  ASSERT_EQ(network.policy.host_ports.size(), 1u);
  EXPECT_EQ(network.policy.host_ports[0].host, "m.example");
  EXPECT_EQ(network.policy.host_ports[0].port, 8443);
}

TEST(NetworkFromProtoTest, AnEmptyLimitedPolicyStaysLimited) {
  internal::v1::NetworkPolicy proto;
  proto.mutable_limited();
  EXPECT_EQ(NetworkFromProto(proto).policy.kind, NetworkPolicy::Kind::kLimited);
  proto.mutable_unrestricted();
  EXPECT_EQ(NetworkFromProto(proto).policy.kind, NetworkPolicy::Kind::kUnrestricted);
}

TEST(NetworkFromProtoTest, WhatCantBeReadIsNoNetwork) {
  EXPECT_EQ(NetworkFromProto(internal::v1::NetworkPolicy()).policy.kind,
            NetworkPolicy::Kind::kNone);
  for (uint32_t port : {0u, 65536u, 0xFFFFFFFFu}) {
    internal::v1::NetworkPolicy proto = Limited();
    proto.mutable_limited()->mutable_host_ports(0)->set_port(port);
    EXPECT_EQ(NetworkFromProto(proto).policy.kind, NetworkPolicy::Kind::kNone) << port;
  }
  internal::v1::NetworkPolicy proto = Limited();
  proto.mutable_limited()->mutable_host_ports(0)->clear_host();
  EXPECT_EQ(NetworkFromProto(proto).policy.kind, NetworkPolicy::Kind::kNone);
}

}  // namespace
}  // namespace paddock::nodeagent
