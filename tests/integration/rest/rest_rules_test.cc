// What the REST API makes of agents' models and tools, of metadata, of times and of failed builds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "tests/integration/rest/rest_fixture.h"

namespace paddock {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::HttpsAnswer;
using testing::RestFixture;
using ::testing::StartsWith;

class RestRulesTest : public RestFixture {
 protected:
  json NewAgent() { return Post("/v1/agents", {{"name", "a"}, {"model", "some-model"}}); }
  json NewSession() {
    const json environment = Post("/v1/environments", {{"name", "of a session"}});
    return Post("/v1/sessions",
                {{"agent", NewAgent()["id"]}, {"environment_id", environment["id"]}});
  }
};

TEST_F(RestRulesTest, TimesThatTheDatabaseCantHoldAreBoundsAllTheSame) {
  NewSession();
  const std::string early = "0001-01-01T00:00:00Z";
  const std::string earlier = "0000-01-01T00:00:00Z";
  const std::string earliest = "-9999-01-01T00:00:00Z";
  const std::string late = "292277026596-12-04T15:30:07Z";
  for (const char* list : {"/v1/sessions", "/v1/agents"}) {
    for (const std::string& time : {early, earlier, earliest}) {
      EXPECT_EQ(Get(absl::StrCat(list, "?created_at[gte]=", time))["data"].size(), 1u) << time;
      EXPECT_EQ(Get(absl::StrCat(list, "?created_at[lte]=", time))["data"].size(), 0u) << time;
    }
    EXPECT_EQ(Get(absl::StrCat(list, "?created_at[gte]=", late))["data"].size(), 0u);
    EXPECT_EQ(Get(absl::StrCat(list, "?created_at[lte]=", late))["data"].size(), 1u);
  }
  EXPECT_EQ(Get("/v1/sessions?created_at[lt]=" + earlier)["data"].size(), 0u);
  EXPECT_EQ(Get("/v1/sessions?created_at[gt]=" + late)["data"].size(), 0u);
}

TEST_F(RestRulesTest, AModelWithoutEffortKeepsTheStoredOne) {
  const json agent = Post("/v1/agents", json::parse(R"({"name": "a", "metadata": {"k": "v"},
      "model": {"id": "m", "effort": "low", "speed": "fast"}})"));
  const std::string path = "/v1/agents/" + agent["id"].get<std::string>();
  json model = Post(path, json::parse(R"({"model": {"id": "n"}})"))["model"];
  EXPECT_EQ(model["id"], "n");
  EXPECT_EQ(model["effort"], json({{"type", "low"}}));
  EXPECT_EQ(model["speed"], "standard");
  model = Post(path, json::parse(R"({"model": {"id": "n", "effort": "max"}})"))["model"];
  EXPECT_EQ(model["effort"], json({{"type", "max"}}));
  EXPECT_TRUE(Post(path, json::parse(R"({"model": "n"})"))["model"]["effort"].is_null());
}

TEST_F(RestRulesTest, GrpcUpdatesAgentsAsRestDoes) {
  testing::PaddockClient client = replica_->Client();
  const json agent = Post("/v1/agents", json::parse(R"({"name": "a", "system": "s",
      "model": {"id": "m", "effort": "low"}})"));
  const std::string path = "/v1/agents/" + agent["id"].get<std::string>();
  v1::UpdateAgentRequest update;
  update.set_agent_id(agent["id"]);
  (*update.mutable_model()->mutable_struct_value()->mutable_fields())["id"].set_string_value("n");
  update.set_system("");
  v1::Agent updated;
  grpc::Status status = client.agents().UpdateAgent(client.Context().get(), update, &updated);
  ASSERT_TRUE(status.ok()) << status.error_message();
  json now = Get(path);
  EXPECT_EQ(now["model"]["id"], "n");
  EXPECT_EQ(now["model"]["effort"], json({{"type", "low"}})) << "kept, as over REST";
  EXPECT_TRUE(now["system"].is_null());
  update.mutable_update_mask()->add_paths("model");
  status = client.agents().UpdateAgent(client.Context().get(), update, &updated);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(Get(path)["model"]["effort"].is_null()) << "a mask replaces what it names";
}

TEST_F(RestRulesTest, AnOverridesFaultsHaveTheNamesOfEachApi) {
  testing::PaddockClient client = replica_->Client();
  const json agent = NewAgent();
  const json environment = Post("/v1/environments", {{"name", "e"}});
  const HttpsAnswer answer = Ask("POST", "/v1/sessions",
                                 json({{"environment_id", environment["id"]},
                                       {"agent",
                                        {{"type", "agent_with_overrides"},
                                         {"id", agent["id"]},
                                         {"tools", {{{"type", "bash"}}}}}}})
                                     .dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(Message(answer), StartsWith("agent.tools[0].type: must be"));
  v1::CreateSessionRequest request;
  request.set_environment_id(environment["id"]);
  request.mutable_agent()->set_id(agent["id"]);
  auto* tool = request.mutable_agent()->mutable_overrides()->mutable_tools()->add_items();
  (*tool->mutable_fields())["type"].set_string_value("bash");
  v1::Session session;
  const grpc::Status status =
      client.sessions().CreateSession(client.Context().get(), request, &session);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), StartsWith("agent.overrides.tools[0].type: must be"));
  EXPECT_EQ(Get("/v1/sessions")["data"].size(), 0u);
}

TEST_F(RestRulesTest, OnlyNullDeletesMetadataOfAgentsAndSessions) {
  const json session = NewSession();
  for (const std::string& path : {"/v1/agents/" + session["agent"]["id"].get<std::string>(),
                                  "/v1/sessions/" + session["id"].get<std::string>()}) {
    Post(path, json::parse(R"({"metadata": {"a": "1", "b": "2", "c": "3"}})"));
    EXPECT_EQ(Post(path, json::parse(R"({"metadata": {"a": "", "b": null}})"))["metadata"],
              json::parse(R"({"a": "", "c": "3"})"));
    EXPECT_EQ(Get(path)["metadata"], json::parse(R"({"a": "", "c": "3"})"));
  }
}

TEST_F(RestRulesTest, EveryFaultInsideToolsAndModelsIsNamedOverRestAndGrpcAlike) {
  struct Case {
    std::string members;
    std::string message;
  };
  testing::PaddockClient client = replica_->Client();
  for (const Case& c : std::vector<Case>{
           {R"("model": {"id": "m", "speed": "slow"})", "model.speed: must be standard or fast"},
           {R"("model": {"id": "m", "effort": "min"})", "model.effort: must be low or"},
           {R"("model": {"id": "m", "effort": {"type": "min"}})", "model.effort.type: must be"},
           {R"("model": {"id": "m", "effort": {"type": "low", "x": 1}})", "model.effort.x: isn't"},
           {R"("model": {"id": "m", "efort": "low"})", "model.efort: isn't known"},
           {R"("model": {"id": "m", "inference_geo": 1})", "model.inference_geo: must be a"},
           {R"("model": "m", "tools": [{}])", "tools[0].type: is required"},
           {R"("model": "m", "tools": [{"type": "bash"}])", "tools[0].type: must be agent_tool"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "config": []}])",
            "tools[0].config: isn't known"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "configs": {}}])",
            "tools[0].configs: must be a list"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "configs": [
               {"name": "bash", "enabled": "no"}]}])",
            "tools[0].configs[0].enabled: must be true or false"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "configs": [
               {"enabled": true}]}])",
            "tools[0].configs[0].name: is required"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "configs": [
               {"name": "bash", "permission": 1}]}])",
            "tools[0].configs[0].permission: isn't known"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "default_config":
               {"permission_policy": {"type": "never"}}}])",
            "tools[0].default_config.permission_policy.type: must be always_allow or"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "default_config":
               {"permission_policy": "auto"}}])",
            "tools[0].default_config.permission_policy: must be a JSON object"},
           {R"("model": "m", "tools": [{"type": "agent_toolset_20260401", "default_config": []}])",
            "tools[0].default_config: must be a JSON object"},
           {R"("model": "m", "tools": [{"type": "mcp_toolset"}])",
            "tools[0].mcp_server_name: is required"},
           {R"("model": "m", "tools": [{"type": "custom", "name": "t", "description": "d",
               "input_schema": "s"}])",
            "tools[0].input_schema: must be an object"}}) {
    const HttpsAnswer answer = Ask("POST", "/v1/agents", R"({"name": "a", )" + c.members + "}");
    EXPECT_EQ(answer.status, 400) << c.members;
    EXPECT_THAT(Message(answer), StartsWith(c.message)) << c.members;
    // gRPC judges the same, and says so in the same words, where it can carry the request at all.
    v1::CreateAgentRequest request;
    if (!google::protobuf::util::JsonStringToMessage(R"({"name": "a", )" + c.members + "}",
                                                     &request)
             .ok()) {
      ADD_FAILURE() << "no message: " << c.members;
      continue;
    }
    v1::Agent created;
    const grpc::Status status =
        client.agents().CreateAgent(client.Context().get(), request, &created);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << c.members;
    EXPECT_EQ(status.error_message(), Message(answer)) << c.members;
  }
  const json agent = Post("/v1/agents", json::parse(R"({"name": "a",
      "model": {"id": "m", "effort": {"type": "xhigh"}, "speed": "fast", "inference_geo": "us"},
      "tools": [{"type": "agent_toolset_20260401",
                 "default_config": {"enabled": false, "permission_policy": {"type": "auto"}},
                 "configs": [{"name": "bash", "enabled": true,
                              "permission_policy": {"type": "always_ask"}}]}]})"));
  const std::string path = "/v1/agents/" + agent["id"].get<std::string>();
  const json sent_back = Post(path, {{"model", agent["model"]}, {"tools", agent["tools"]}});
  EXPECT_EQ(sent_back["model"], agent["model"]);
  EXPECT_EQ(sent_back["tools"], agent["tools"]);
}

TEST_F(RestRulesTest, ACreateThatWaitsForAFailingBuildIsAnsweredWithItsReason) {
  node_.KeepBeating(replica_->internal_port());
  const json environment = Post("/v1/environments", json::parse(R"({"name": "e",
      "config": {"type": "cloud", "packages": {"pip": ["bad", "hold"]}}})"));
  const std::string body =
      json({{"agent", NewAgent()["id"]}, {"environment_id", environment["id"]}}).dump();
  HttpsAnswer waited;
  std::thread waiter([&] { waited = Ask("POST", "/v1/sessions", body); });
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (absl::Now() < give_up && (node_.holding() == 0 || Get("/v1/sessions")["data"].empty())) {
  }
  node_.Release();
  waiter.join();
  EXPECT_EQ(waited.status, 400) << waited.body;
  EXPECT_EQ(ErrorCode(waited), "image_build_failed");
  EXPECT_THAT(Message(waited), HasSubstr("pip \"bad\", exit code"));
  EXPECT_THAT(Message(waited), EndsWith("\nE: Unable to locate package bad"));
  const json details = json::parse(waited.body)["error"]["details"];
  EXPECT_EQ(details["manager"], "pip");
  EXPECT_EQ(details["package"], "bad");
  EXPECT_EQ(details["exit_code"], "100");
  const HttpsAnswer later = Ask("POST", "/v1/sessions", body);
  EXPECT_EQ(later.status, 400);
  EXPECT_EQ(Message(later), Message(waited));
  const json session = Get("/v1/sessions")["data"][0];
  EXPECT_EQ(session["status"], "terminated");
  // Who looks later finds the reason among the events.
  const std::string events =
      absl::StrCat("/v1/sessions/", session["id"].get<std::string>(), "/events");
  const json all = Get(events)["data"];
  ASSERT_EQ(all.size(), 3u) << all;
  EXPECT_EQ(all[1]["type"], "session.error");
  EXPECT_THAT(all[1]["error"]["message"].get<std::string>(),
              AllOf(HasSubstr("pip bad, exit code 100: no such package\n"),
                    EndsWith("\nE: Unable to locate package bad")));
  EXPECT_EQ(all[1]["error"]["retry_status"]["type"], "terminal");
  EXPECT_EQ(all[2]["type"], "session.status_terminated");
  EXPECT_EQ(Get(events + "?types[]=session.error")["data"], json({all[1]}));
  const json page = Get(events + "?limit=2");
  EXPECT_EQ(page["data"], json({all[0], all[1]}));
  EXPECT_EQ(Get(events + "?limit=2&page=" + page["next_page"].get<std::string>())["data"],
            json({all[2]}));
}

}  // namespace
}  // namespace paddock
