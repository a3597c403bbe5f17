#include "nodeagent/egress/gateway_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

GatewaySession SomeSession() {
  GatewaySession session;
  session.session_id = "sesn_1";
  session.generation = 7;
  session.address = "10.201.0.16";
  session.router_veth = "s0xbeef";
  session.policy.kind = NetworkPolicy::Kind::kUnrestricted;
  session.fenced = true;
  session.cgroup_directories = {"/sys/fs/cgroup/a", "/sys/fs/cgroup/b"};
  return session;
}

TEST(GatewayJsonTest, SessionsComeBackAsTheyWere) {
  GatewaySession session = *SessionFromJson(ToJson(SomeSession()));
  EXPECT_EQ(session.session_id, "sesn_1");
  EXPECT_EQ(session.generation, 7);
  EXPECT_EQ(session.address, "10.201.0.16");
  EXPECT_EQ(session.router_veth, "s0xbeef");
  EXPECT_EQ(session.policy.kind, NetworkPolicy::Kind::kUnrestricted);
  EXPECT_TRUE(session.fenced);
  EXPECT_THAT(session.cgroup_directories, ElementsAre("/sys/fs/cgroup/a", "/sys/fs/cgroup/b"));
}

TEST(GatewayJsonTest, AnUnknownPolicyIsNoNetwork) {
  nlohmann::json json = ToJson(SomeSession());
  json["policy"] = "something newer";
  EXPECT_EQ(SessionFromJson(json)->policy.kind, NetworkPolicy::Kind::kNone);
}

TEST(GatewayJsonTest, EveryFieldIsRequiredAndTyped) {
  const nlohmann::json whole = ToJson(SomeSession());
  for (const auto& [name, value] : whole.items()) {
    nlohmann::json missing = ToJson(SomeSession());
    missing.erase(name);
    EXPECT_THAT(std::string(SessionFromJson(missing).status().message()), HasSubstr(name));
    nlohmann::json wrong = ToJson(SomeSession());
    wrong[name] = nlohmann::json::object();
    EXPECT_FALSE(SessionFromJson(wrong).ok()) << name;
  }
}

TEST(GatewayJsonTest, StatsAndOptionsComeBackAsTheyWere) {
  GatewayStats stats;
  stats.sessions = 3;
  stats.verdict_packets["accepted"] = 4;
  stats.dns_queries["forwarded"] = 5;
  stats.problems = {"p"};
  EXPECT_EQ(ToJson(*StatsFromJson(ToJson(stats))), ToJson(stats));
  GatewayOptions options;
  options.directory = "/d";
  options.blocked = {"192.0.2.1"};
  EXPECT_EQ(ToJson(*OptionsFromJson(ToJson(options))), ToJson(options));
}

TEST(GatewayJsonTest, OnlyObjectsAreParsed) {
  for (const char* text : {"", "[]", "{", "1", "{} x", "\xff"}) {
    EXPECT_FALSE(ParseJsonObject(text).ok()) << text;
  }
  EXPECT_TRUE(ParseJsonObject("{}").ok());
}

}  // namespace
}  // namespace paddock::nodeagent
