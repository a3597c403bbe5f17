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

TEST(GatewayJsonTest, LimitedPoliciesComeBackAsTheyWere) {
  GatewaySession session = SomeSession();
  session.policy.kind = NetworkPolicy::Kind::kLimited;
  session.policy.hosts = {"example.com", "*.example.org"};
  session.policy.host_ports = {{"mcp.example.net", 8443}};
  NetworkPolicy policy = SessionFromJson(ToJson(session))->policy;
  EXPECT_EQ(policy.kind, NetworkPolicy::Kind::kLimited);
  EXPECT_THAT(policy.hosts, ElementsAre("example.com", "*.example.org"));
  ASSERT_EQ(policy.host_ports.size(), 1u);
  EXPECT_EQ(policy.host_ports[0].host, "mcp.example.net");
  EXPECT_EQ(policy.host_ports[0].port, 8443);
}

TEST(GatewayJsonTest, AMalformedLimitedPolicyIsNoNetwork) {
  GatewaySession session = SomeSession();
  session.policy.kind = NetworkPolicy::Kind::kLimited;
  session.policy.host_ports = {{"mcp.example.net", 8443}};
  const nlohmann::json whole = ToJson(session);
  for (const char* broken :
       {R"({"hosts":1})", R"({"hosts":[1]})", R"({"hosts":null})", R"({"host_ports":{}})",
        R"({"host_ports":[{"host":"a"}]})", R"({"host_ports":[{"host":"a","port":0}]})",
        R"({"host_ports":[{"host":"a","port":65536}]})", R"({"host_ports":["a"]})"}) {
    nlohmann::json json = whole;
    json.merge_patch(nlohmann::json::parse(broken));
    EXPECT_EQ(SessionFromJson(json)->policy.kind, NetworkPolicy::Kind::kNone) << broken;
  }
}

TEST(GatewayJsonTest, EventsComeBackAsTheyWere) {
  EgressPage page;
  EgressEvent event;
  event.sequence = 9;
  event.time = absl::FromUnixNanos(1'700'000'000'123'456'789);
  event.name = "example.com";
  event.address = "192.0.2.1";
  event.port = 443;
  event.protocol = "tls";
  event.allowed = true;
  event.reason = "r";
  event.bytes_sent = 1;
  event.bytes_received = 2;
  page.events = {event, EgressEvent()};
  page.more = true;
  EgressPage back = *PageFromJson(ToJson(page));
  EXPECT_EQ(ToJson(back), ToJson(page));
  EXPECT_EQ(back.events[0].time, event.time);
  EXPECT_TRUE(back.more);
  EXPECT_FALSE(PageFromJson(nlohmann::json::parse(R"({"events":[1],"more":0})")).ok());
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
  stats.egress_verdicts["allowed"] = 6;
  stats.session_egress["sesn_1"] = {1, 2, 3, 4};
  stats.open_connections = 7;
  stats.problems = {"p"};
  EXPECT_EQ(ToJson(*StatsFromJson(ToJson(stats))), ToJson(stats));
  nlohmann::json older = ToJson(stats);
  older.erase("egress_verdicts");
  EXPECT_TRUE(StatsFromJson(older).ok()) << "an older gateway process outlives the agent's upgrade";
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
