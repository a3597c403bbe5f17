#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error_details.h"
#include "controlplane/api/admin_convert.h"
#include "controlplane/api/agent_convert.h"
#include "controlplane/api/json_convert.h"
#include "controlplane/api/request_convert.h"
#include "controlplane/api/session_convert.h"
#include "google/protobuf/text_format.h"

namespace paddock {
namespace {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

std::string FieldOf(const absl::Status& status) {
  const std::vector<FieldViolation> violations = ViolationsOf(status);
  return violations.size() == 1 ? violations[0].field : "";
}

TEST(JsonConvertTest, JsonSurvivesTheWayThereAndBack) {
  const nlohmann::json json = nlohmann::json::parse(
      R"({"s":"x","i":1,"n":-5,"d":1.5,"t":true,"z":null,"a":[1,"b",[]],"o":{"k":{}}})");
  EXPECT_EQ(FromProto(ToProtoStruct(json)), json);
  EXPECT_EQ(FromProto(ToProtoValue(json)).dump(), json.dump());
}

TEST(JsonConvertTest, WholeNumbersStayWhole) {
  google::protobuf::Value value;
  value.set_number_value(3);
  EXPECT_EQ(FromProto(value).dump(), "3");
  value.set_number_value(1e300);
  EXPECT_TRUE(FromProto(value).is_number_float());
}

TEST(IdempotencyTest, TheHashIsOfTheBodyAlone) {
  v1::CreateAgentRequest a;
  a.set_name("n");
  for (int i = 0; i < 16; ++i) (*a.mutable_metadata())["k" + std::to_string(i)] = "v";
  v1::CreateAgentRequest b;
  for (int i = 15; i >= 0; --i) (*b.mutable_metadata())["k" + std::to_string(i)] = "v";
  b.set_name("n");
  a.set_request_id("r");
  b.set_request_id("r");
  EXPECT_EQ(IdempotencyOf(a).body_hash, IdempotencyOf(b).body_hash);
  EXPECT_EQ(IdempotencyOf(a).request_id, "r");
  b.set_name("m");
  EXPECT_NE(IdempotencyOf(a).body_hash, IdempotencyOf(b).body_hash);
  b.clear_request_id();
  EXPECT_EQ(IdempotencyOf(b).request_id, "");
}

TEST(IdempotencyTest, HowLongToWaitIsNoPartOfASession) {
  v1::CreateSessionRequest request;
  request.set_environment_id("env_1");
  request.set_request_id("r");
  const Idempotency unset = FromProto(request)->idempotency;
  request.mutable_wait()->set_seconds(3);
  EXPECT_EQ(FromProto(request)->idempotency.body_hash, unset.body_hash);
  EXPECT_EQ(FromProto(request)->wait, absl::Seconds(3));
  request.set_environment_id("env_2");
  EXPECT_NE(FromProto(request)->idempotency.body_hash, unset.body_hash);
}

TEST(SessionConvertTest, DefaultsOfACreateAreLeftToCore) {
  const auto request = FromProto(Parse<v1::CreateSessionRequest>(R"(environment_id: "env_1")"));
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->environment_id.value(), "env_1");
  EXPECT_FALSE(request->agent.has_value());
  EXPECT_FALSE(request->wait.has_value());
  EXPECT_FALSE(request->title.has_value());
  EXPECT_EQ(request->on_node_loss, OnNodeLoss::kKeep);
  EXPECT_EQ(request->compute.limits.cpu_millis, 0);
}

TEST(SessionConvertTest, ACreateIsTakenWhole) {
  const auto request = FromProto(Parse<v1::CreateSessionRequest>(R"(
    agent { id: "agent_1" version: 2 overrides { system: "s" tools {} } }
    environment_id: "env_1" title: "t" metadata { key: "a" value: "b" }
    compute { limits { cpu_millis: 1 memory_bytes: 2 disk_bytes: 3 pids: 4 }
              requests { cpu_millis: 5 memory_bytes: 6 disk_bytes: 7 }
              runtime_class: "runsc" node_labels { key: "l" value: "v" } }
    on_node_loss: ON_NODE_LOSS_RESCHEDULE wait { nanos: 5000000 })"));
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->agent->id.value(), "agent_1");
  EXPECT_EQ(request->agent->version, 2);
  EXPECT_EQ(request->agent->overrides.system, std::optional<std::string>("s"));
  EXPECT_TRUE(request->agent->overrides.tools.has_value());
  EXPECT_FALSE(request->agent->overrides.skills.has_value());
  EXPECT_EQ(request->title, "t");
  EXPECT_EQ(request->compute.limits.pids, 4);
  EXPECT_EQ(request->compute.requests.disk_bytes, 7);
  EXPECT_EQ(request->compute.runtime_class, "runsc");
  EXPECT_EQ(request->compute.node_labels.at("l"), "v");
  EXPECT_EQ(request->on_node_loss, OnNodeLoss::kReschedule);
  EXPECT_EQ(request->wait, absl::Milliseconds(5));
}

TEST(SessionConvertTest, ValuesThatDontExistAreNamed) {
  v1::CreateSessionRequest create;
  create.set_on_node_loss(static_cast<v1::OnNodeLoss>(7));
  EXPECT_EQ(FieldOf(FromProto(create).status()), "on_node_loss");
  create = Parse<v1::CreateSessionRequest>("wait { seconds: 1 nanos: -1 }");
  EXPECT_EQ(FieldOf(FromProto(create).status()), "wait");
  v1::ListSessionsRequest list;
  list.add_states(v1::SESSION_STATE_RUNNING);
  list.add_states(v1::SESSION_STATE_UNSPECIFIED);
  EXPECT_EQ(FieldOf(FromProto(list).status()), "states[1]");
  list = Parse<v1::ListSessionsRequest>("created_after { nanos: -1 }");
  EXPECT_EQ(FieldOf(FromProto(list).status()), "created_after");
  list.Clear();
  list.set_order(static_cast<v1::Order>(9));
  EXPECT_EQ(FieldOf(FromProto(list).status()), "order");
}

TEST(SessionConvertTest, EveryPhaseHasAStateOfItsOwn) {
  for (const SessionPhase phase : kAllSessionPhases) {
    v1::ListSessionsRequest list;
    list.add_states(ToProto(phase));
    const auto filter = FromProto(list);
    ASSERT_TRUE(filter.ok());
    EXPECT_THAT(filter->filter.phases, ::testing::ElementsAre(phase));
  }
}

TEST(SessionConvertTest, ASessionIsToldWhole) {
  Session session;
  session.id = SessionId("sesn_1");
  session.reason = "NODE_LOST";
  session.message = "gone";
  session.exit_code = 0;
  session.state = SessionPhase::kTerminated;
  session.ended_at = absl::FromUnixSeconds(5);
  const v1::Session proto = ToProto(session);
  EXPECT_EQ(proto.state_reason(), "NODE_LOST: gone");
  EXPECT_TRUE(proto.has_exit_code());
  EXPECT_FALSE(proto.has_agent());
  EXPECT_FALSE(proto.has_started_at());
  EXPECT_EQ(proto.ended_at().seconds(), 5);
  EXPECT_EQ(proto.state(), v1::SESSION_STATE_TERMINATED);
}

TEST(SessionConvertTest, UpdatesFollowTheirMask) {
  auto patch = PatchOf(Parse<v1::UpdateSessionRequest>(R"(title: "t")"));
  ASSERT_TRUE(patch.ok());
  EXPECT_EQ(patch->title->value(), "t");
  EXPECT_FALSE(patch->metadata.replace);
  EXPECT_TRUE(patch->metadata.entries.empty());
  patch =
      PatchOf(Parse<v1::UpdateSessionRequest>(R"(title: "t" update_mask { paths: "metadata" })"));
  ASSERT_TRUE(patch.ok());
  EXPECT_FALSE(patch->title.has_value());
  EXPECT_TRUE(patch->metadata.replace);
  EXPECT_TRUE(patch->metadata.entries.empty());
  patch = PatchOf(Parse<v1::UpdateSessionRequest>(R"(update_mask { paths: "title" })"));
  ASSERT_TRUE(patch.ok());
  ASSERT_TRUE(patch->title.has_value());
  EXPECT_FALSE(patch->title->has_value());
  patch = PatchOf(Parse<v1::UpdateSessionRequest>(R"(title: "t" update_mask { paths: "*" })"));
  ASSERT_TRUE(patch.ok());
  EXPECT_EQ(patch->title->value(), "t");
  EXPECT_TRUE(patch->metadata.replace);
  EXPECT_TRUE(patch->metadata.entries.empty());
  EXPECT_EQ(
      FieldOf(PatchOf(Parse<v1::UpdateSessionRequest>(R"(update_mask { paths: "environment_id" })"))
                  .status()),
      "update_mask");
}

TEST(AgentConvertTest, AnAgentSurvivesTheWayThereAndBack) {
  const auto request = Parse<v1::CreateAgentRequest>(R"(
    name: "a" system: "s"
    model { struct_value { fields { key: "id" value { string_value: "m" } } } }
    mcp_servers { name: "x" url: "https://x.example" }
    tools { fields { key: "type" value { string_value: "mcp_toolset" } }
            fields { key: "mcp_server_name" value { string_value: "x" } } }
    metadata { key: "k" value: "v" })");
  const auto agent = NewAgent(PatchOf(request));
  ASSERT_TRUE(agent.ok()) << agent.status();
  const v1::Agent proto = ToProto(*agent);
  EXPECT_EQ(proto.name(), "a");
  EXPECT_EQ(proto.model().SerializeAsString(), request.model().SerializeAsString());
  EXPECT_EQ(SerializeDeterministically(proto.tools(0)),
            SerializeDeterministically(request.tools(0)));
  EXPECT_EQ(proto.mcp_servers(0).url(), "https://x.example");
  EXPECT_EQ(proto.metadata().at("k"), "v");
}

TEST(AgentConvertTest, ListsAreReplacedByMaskEvenWhenEmpty) {
  auto patch = PatchOf(Parse<v1::UpdateAgentRequest>(R"(update_mask { paths: "tools" })"));
  ASSERT_TRUE(patch.ok());
  ASSERT_TRUE(patch->tools.sets());
  EXPECT_TRUE(patch->tools.value().empty());
  EXPECT_TRUE(patch->skills.keeps());
  patch = PatchOf(Parse<v1::UpdateAgentRequest>(R"(name: "n" update_mask { paths: "*" })"));
  ASSERT_TRUE(patch.ok());
  EXPECT_EQ(patch->name.value(), "n");
  EXPECT_TRUE(patch->skills.sets() && patch->tools.sets() && patch->mcp_servers.sets());
  EXPECT_FALSE(patch->system.keeps() || patch->description.keeps() || patch->model.keeps());
  EXPECT_TRUE(patch->metadata.replace);
  patch = PatchOf(v1::UpdateAgentRequest());
  ASSERT_TRUE(patch.ok());
  EXPECT_TRUE(patch->tools.keeps());
  EXPECT_EQ(
      FieldOf(
          PatchOf(Parse<v1::UpdateAgentRequest>(R"(update_mask { paths: "version" })")).status()),
      "update_mask");
}

TEST(AdminConvertTest, ANodeSaysWhyItTakesNoWork) {
  Node node;
  node.state = NodeState::kReady;
  node.not_schedulable_reason = "DISK_FULL: 99%";
  EXPECT_EQ(ToProto(node).state_reason(), "DISK_FULL: 99%");
  EXPECT_FALSE(ToProto(node).has_last_heartbeat_at());
}

}  // namespace
}  // namespace paddock
