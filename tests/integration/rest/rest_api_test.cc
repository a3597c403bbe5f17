// What the REST API answers, over real TLS, with a real database.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/rest/rest_fixture.h"

namespace paddock {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::HttpsAnswer;
using testing::RestFixture;
using ::testing::StartsWith;

class RestApiTest : public RestFixture {
 protected:
  json NewAgent() { return Post("/v1/agents", {{"name", "a"}, {"model", "some-model"}}); }
  json NewSession() {
    const json environment =
        Post("/v1/environments", {{"name", absl::StrCat("of session ", ++n_)}});
    return Post("/v1/sessions",
                {{"agent", NewAgent()["id"]}, {"environment_id", environment["id"]}});
  }
  int n_ = 0;
};

// --- Who asks

TEST_F(RestApiTest, TakesBothFormsOfTheKeyAndBothOfTheBetaHeader) {
  struct Case {
    std::vector<std::string> headers;
    int status;
    std::string code;
  };
  const std::string beta = "anthropic-beta: managed-agents-2026-04-01";
  for (const Case& c : std::vector<Case>{
           {{"x-api-key: " + key_, beta}, 200, ""},
           {{"Authorization: Bearer " + key_, beta, "anthropic-version: 2026-10-21"}, 200, ""},
           {{"x-api-key: " + key_, "Anthropic-Beta: foo-1,managed-agents-2026-04-01"}, 200, ""},
           {{"x-api-key: " + key_, "anthropic-beta: foo-1", beta}, 200, ""},
           {{beta}, 401, "api_key_missing"},
           {{"x-api-key: pk_wrong", beta}, 401, "api_key_invalid"},
           {{"x-api-key: " + key_}, 400, "beta_header_missing"},
           {{"x-api-key: " + key_, beta, "anthropic-workspace-id: default"}, 200, ""},
           {{"x-api-key: " + key_, beta, "anthropic-workspace-id: other"},
            403,
            "workspace_mismatch"}}) {
    const HttpsAnswer answer = Connect()->Ask("GET", "/v1/environments?beta=true", c.headers);
    EXPECT_EQ(answer.status, c.status) << answer.body;
    EXPECT_EQ(ErrorCode(answer), c.code);
    EXPECT_THAT(answer.headers.at("request-id"), StartsWith("req_"));
    EXPECT_EQ(answer.headers.count("x-should-retry"), c.status == 200 ? 0u : 1u);
    EXPECT_EQ(answer.headers.count("access-control-allow-origin"), 0u);
    EXPECT_EQ(answer.headers.count("set-cookie"), 0u);
  }
}

TEST_F(RestApiTest, AnotherTenantsIdIsUnknown) {
  const json environment = Post("/v1/environments", {{"name", "mine"}});
  const std::string other = replica_->NewKey("other", true);
  const HttpsAnswer answer =
      Connect()->Ask("GET", "/v1/environments/" + environment["id"].get<std::string>(),
                     {"x-api-key: " + other, "anthropic-beta: managed-agents-2026-04-01"});
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(ErrorCode(answer), "environment_not_found");
}

TEST_F(RestApiTest, ProbesNeedNoKeyAndReadinessIsTold) {
  EXPECT_EQ(Connect()->Ask("GET", "/healthz", {}).status, 200);
  EXPECT_EQ(Connect()->Ask("GET", "/readyz", {}).status, 200);
  const HttpsAnswer posted = Connect()->Ask("POST", "/readyz", {}, "{}");
  EXPECT_EQ(posted.status, 405);
  EXPECT_EQ(posted.headers.at("allow"), "GET, HEAD");
  replica_->rest_server().SetReady(false);
  const HttpsAnswer answer = Connect()->Ask("GET", "/readyz", {});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  EXPECT_EQ(Connect()->Ask("GET", "/healthz", {}).status, 200);
}

TEST_F(RestApiTest, UnknownPathsAndMethodsAreRefusedByName) {
  EXPECT_EQ(Ask("GET", "/v1/environment").status, 404);
  EXPECT_EQ(Ask("GET", "/").status, 404);
  const HttpsAnswer put = Ask("PUT", "/v1/environments/env_1", "{}");
  EXPECT_EQ(put.status, 405);
  EXPECT_EQ(put.headers.at("allow"), "DELETE, GET, POST");
  EXPECT_EQ(Ask("OPTIONS", "/v1/environments").status, 405);
  EXPECT_EQ(Ask("GET", "/v1/environments/a%2Fb%20c").status, 404);
  EXPECT_THAT(Message(Ask("GET", "/v1/environments/a%2Fb%20c")), HasSubstr("\"a/b c\""));
  EXPECT_EQ(Ask("GET", "/v1/environments/%zz").status, 400);
}

// --- Environments

TEST_F(RestApiTest, AnEnvironmentHasItsWholeShapeAndExplicitNulls) {
  const json created = Post("/v1/environments", {{"name", "python-dev"}});
  EXPECT_THAT(created["id"].get<std::string>(), StartsWith("env_"));
  EXPECT_EQ(created["type"], "environment");
  EXPECT_TRUE(created.at("description").is_null());
  EXPECT_TRUE(created.at("archived_at").is_null());
  EXPECT_EQ(created["scope"], "organization");
  EXPECT_EQ(created["metadata"], json::object());
  EXPECT_EQ(created["config"]["networking"], json({{"type", "unrestricted"}}));
  for (const char* manager : {"apt", "cargo", "gem", "go", "npm", "pip"}) {
    EXPECT_EQ(created["config"]["packages"].at(manager), json::array());
  }
  const std::string path = "/v1/environments/" + created["id"].get<std::string>();
  EXPECT_EQ(Get(path), created);
  EXPECT_EQ(Get("/v1/environments")["data"], json({created}));
}

TEST_F(RestApiTest, AnUpdateKeepsWhatItLeavesOutAndNullClears) {
  const json created = json::parse(R"({
    "name": "e", "description": "d", "metadata": {"a": "1", "b": "2"},
    "config": {"type": "cloud", "packages": {"pip": ["pandas"], "npm": ["left-pad"]},
               "networking": {"type": "limited", "allowed_hosts": ["a.example.com"],
                              "allow_package_managers": true}}})");
  const std::string path =
      "/v1/environments/" + Post("/v1/environments", created)["id"].get<std::string>();
  json now = Post(path, json::parse(R"({"config": {"type": "cloud", "packages": {"pip": []}}})"));
  EXPECT_EQ(now["config"]["packages"]["npm"], json({"left-pad"}));
  EXPECT_EQ(now["config"]["packages"]["pip"], json::array());
  EXPECT_EQ(now["config"]["networking"]["type"], "limited");
  now = Post(path, json::parse(R"({"config": {"type": "cloud",
      "networking": {"type": "limited", "allow_mcp_servers": true, "allowed_hosts": null}}})"));
  EXPECT_EQ(now["config"]["networking"]["allow_package_managers"], true);
  EXPECT_EQ(now["config"]["networking"]["allow_mcp_servers"], true);
  EXPECT_EQ(now["config"]["networking"]["allowed_hosts"], json::array());
  now = Post(path, json::parse(R"({"metadata": {"a": null, "b": "", "c": "3"}})"));
  EXPECT_EQ(now["metadata"], json({{"c", "3"}}));
  EXPECT_EQ(now["description"], "d");
  EXPECT_EQ(Post(path, json::parse(R"({"description": ""})"))["description"], "");
  EXPECT_TRUE(Post(path, json::parse(R"({"description": null})"))["description"].is_null());
  now = Post(path, json::parse(R"({"config": {"type": "cloud", "networking": null}})"));
  EXPECT_EQ(now["config"]["networking"]["type"], "unrestricted");
  HttpsAnswer refused = Ask("POST", path, R"({"name": null})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(Message(refused), HasSubstr("name"));
  refused = Ask("POST", path, R"({"config": {"type": "self_hosted"}})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(ErrorCode(refused), "invalid_config_type_change");
}

TEST_F(RestApiTest, ATypoIsNamedWithItsPath) {
  struct Case {
    std::string body;
    std::string path;
  };
  for (const Case& c : std::vector<Case>{
           {R"({"name": "x", "nmae": 1})", "nmae"},
           {R"({"name": 7})", "name"},
           {R"({"name": "x", "config": {}})", "config.type"},
           {R"({"name": "x", "config": {"type": "clod"}})", "config.type"},
           {R"({"name": "x", "config": {"type": "cloud", "packages": {"pipp": []}}})",
            "config.packages.pipp"},
           {R"({"name": "x", "config": {"type": "cloud", "packages": {"pip": ["a", 1]}}})",
            "config.packages.pip[1]"},
           {R"({"name": "x", "config": {"type": "cloud", "packages": {"pip": ["a", "-r x"]}}})",
            "config.packages.pip[1]"},
           {R"({"name": "x", "config": {"type": "cloud", "networking": {"type": "limited",
               "allowed_hosts": ["https://a.b"]}}})",
            "config.networking.allowed_hosts[0]"},
           {R"({"name": "x", "config": {"type": "cloud", "networking": {"type": "unrestricted",
               "allowed_hosts": []}}})",
            "config.networking.allowed_hosts"},
           {R"({"name": "x", "metadata": {"a": 1}})", "metadata[\"a\"]"},
           {R"({"name": "x", "name": "y"})", "name"},
           {R"({"name": "x", "scope": "account"})", "scope"},
           {R"([1])", "the body"}}) {
    const HttpsAnswer answer = Ask("POST", "/v1/environments", c.body);
    EXPECT_EQ(answer.status, 400) << c.body;
    EXPECT_THAT(Message(answer), StartsWith(c.path + ":")) << c.body;
    EXPECT_EQ(answer.headers.at("x-should-retry"), "false");
  }
  EXPECT_THAT(Message(Ask("POST", "/v1/environments", R"({"config": {"type": "clod"}})")),
              StartsWith("config.type: must be cloud"));
  EXPECT_EQ(Get("/v1/environments")["data"], json::array()) << "nothing was made";
  EXPECT_EQ(Ask("GET", "/v1/environments?limt=1").status, 400);
  EXPECT_THAT(Message(Ask("GET", "/v1/environments?limit=1001")), StartsWith("limit:"));
  EXPECT_THAT(Message(Ask("GET", "/v1/environments?page=x")), StartsWith("page:"));
}

TEST_F(RestApiTest, ConflictsAreToldOnce) {
  const json environment = Post("/v1/environments", {{"name", "taken"}});
  HttpsAnswer answer = Ask("POST", "/v1/environments", R"({"name": "taken"})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(ErrorCode(answer), "environment_name_taken");
  EXPECT_EQ(answer.headers.at("x-should-retry"), "false");
  const std::string path = "/v1/environments/" + environment["id"].get<std::string>();
  const json session =
      Post("/v1/sessions", {{"agent", NewAgent()["id"]}, {"environment_id", environment["id"]}});
  answer = Ask("DELETE", path);
  EXPECT_EQ(answer.status, 409);
  EXPECT_THAT(Message(answer), HasSubstr(session["id"].get<std::string>()));
  const json archived = Good(Ask("POST", path + "/archive"));
  EXPECT_TRUE(archived["archived_at"].is_string());
  EXPECT_EQ(Good(Ask("POST", path + "/archive")), archived) << "again: the same answer";
  answer = Ask("POST", path, R"({"description": "x"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(ErrorCode(answer), "environment_archived");
  answer = Ask("POST", "/v1/sessions",
               json({{"agent", NewAgent()["id"]}, {"environment_id", environment["id"]}}).dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(ErrorCode(answer), "environment_archived");
  Good(Ask("DELETE", "/v1/sessions/" + session["id"].get<std::string>()));
  EXPECT_EQ(Good(Ask("DELETE", path)),
            json({{"id", environment["id"]}, {"type", "environment_deleted"}}));
}

TEST_F(RestApiTest, PagesEndWithNullAndNoneIsEmptyBeforeTheLast) {
  for (int i = 0; i < 4; ++i) Post("/v1/environments", {{"name", absl::StrCat(i)}});
  std::set<std::string> names;
  std::string target = "/v1/environments?limit=2";
  int pages = 0;
  while (true) {
    const json page = Get(target);
    ++pages;
    EXPECT_EQ(page["data"].size(), 2u);
    for (const json& item : page["data"]) names.insert(item["name"]);
    if (page["next_page"].is_null()) break;
    target = "/v1/environments?limit=2&page=" + page["next_page"].get<std::string>();
  }
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(names.size(), 4u);
}

// --- Agents

TEST_F(RestApiTest, AnAgentsModelAndToolsetsAreAnsweredResolved) {
  const json agent = Post("/v1/agents", json::parse(R"({
    "name": "a", "model": {"id": "m", "effort": "low"}, "system": "s",
    "mcp_servers": [{"type": "url", "name": "docs", "url": "https://mcp.example.com"}],
    "tools": [{"type": "agent_toolset_20260401"},
              {"type": "mcp_toolset", "mcp_server_name": "docs"},
              {"type": "custom", "name": "t", "description": "d", "input_schema": {}}]})"));
  EXPECT_EQ(agent["version"], 1);
  EXPECT_EQ(agent["model"], json::parse(R"({"id": "m", "effort": {"type": "low"},
      "speed": "standard", "inference_geo": null})"));
  EXPECT_EQ(agent["tools"][0]["default_config"]["enabled"], true);
  EXPECT_EQ(agent["tools"][1]["default_config"]["permission_policy"]["type"], "always_ask");
  EXPECT_EQ(agent["execution_identity"], json({{"type", "service_account"}}));
  EXPECT_TRUE(agent.at("multiagent").is_null());
  const std::string path = "/v1/agents/" + agent["id"].get<std::string>();
  const json updated = Post(path, json::parse(R"({"version": 1, "system": "", "tools": null,
      "mcp_servers": [], "metadata": {"k": "v"}})"));
  EXPECT_EQ(updated["version"], 2);
  EXPECT_TRUE(updated["system"].is_null());
  EXPECT_EQ(updated["tools"], json::array());
  EXPECT_EQ(Get(path + "?version=1")["system"], "s");
  EXPECT_EQ(Get(path + "/versions")["data"].size(), 2u);
  const HttpsAnswer stale = Ask("POST", path, R"({"version": 1, "name": "b"})");
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(ErrorCode(stale), "agent_version_stale");
  EXPECT_EQ(stale.headers.at("x-should-retry"), "false");
  EXPECT_EQ(Ask("GET", "/v1/agents?limit=101").status, 400);
  EXPECT_EQ(Ask("GET", path + "?version=0").status, 400);
  const std::string at = updated["created_at"];
  EXPECT_EQ(
      Get("/v1/agents?created_at%5Bgte%5D=" + at + "&created_at%5Blte%5D=" + at)["data"].size(),
      1u);
  EXPECT_EQ(Get("/v1/agents?created_at[lte]=2020-01-01T00:00:00Z")["data"].size(), 0u);
}

// --- Sessions

TEST_F(RestApiTest, ASessionStartsIdleWithItsAgentsSnapshot) {
  const json session = NewSession();
  EXPECT_THAT(session["id"].get<std::string>(), StartsWith("sesn_"));
  EXPECT_EQ(session["status"], "idle");
  EXPECT_EQ(session["agent"]["type"], "agent");
  EXPECT_EQ(session["agent"]["version"], 1);
  EXPECT_FALSE(session["agent"].contains("created_at"));
  for (const char* list : {"resources", "vault_ids", "outcome_evaluations"}) {
    EXPECT_EQ(session.at(list), json::array());
  }
  EXPECT_TRUE(session["stats"]["duration_seconds"].is_number());
  const std::string path = "/v1/sessions/" + session["id"].get<std::string>();
  const json updated = Post(path, json::parse(R"({"title": "t", "metadata": {"a": "1"}})"));
  EXPECT_EQ(updated["title"], "t");
  EXPECT_TRUE(Post(path, json::parse(R"({"title": null})"))["title"].is_null());
  const json archived = Good(Ask("POST", path + "/archive"));
  EXPECT_EQ(archived["status"], "terminated");
  EXPECT_EQ(Get("/v1/sessions")["data"].size(), 0u);
  EXPECT_EQ(Get("/v1/sessions?include_archived=true")["data"].size(), 1u);
  EXPECT_EQ(Good(Ask("DELETE", path))["type"], "session_deleted");
  EXPECT_EQ(Ask("GET", path).status, 404);
}

TEST_F(RestApiTest, ASessionsOwnCopyOfTheAgentTakesOtherTools) {
  const json session = NewSession();
  const std::string path = "/v1/sessions/" + session["id"].get<std::string>();
  const json updated = Post(path, json::parse(R"({"agent": {
      "mcp_servers": [{"type": "url", "name": "d", "url": "https://mcp.example.com"}],
      "tools": [{"type": "mcp_toolset", "mcp_server_name": "d"}]}})"));
  EXPECT_EQ(updated["agent"]["mcp_servers"][0]["name"], "d");
  EXPECT_EQ(Get(path)["agent"]["tools"][0]["type"], "mcp_toolset");
  EXPECT_EQ(Get(path)["agent"]["name"], session["agent"]["name"]);
  const std::string agent = session["agent"]["id"];
  EXPECT_EQ(Get("/v1/agents/" + agent)["tools"], json::array());
  EXPECT_THAT(Message(Ask("POST", path, R"({"agent": {"system": "x"}})")),
              StartsWith("agent.system: isn't known here"));
  EXPECT_THAT(Message(Ask("POST", path, R"({"agent": {"tools": [{"type": "mcp_toolset",
                                                                 "mcp_server_name": "no"}]}})")),
              StartsWith("agent.tools[0].mcp_server_name"));
}

TEST_F(RestApiTest, OverridesReplaceForOneSessionOnly) {
  const json agent = NewAgent();
  const json environment = Post("/v1/environments", {{"name", "o"}});
  json body = {{"environment_id", environment["id"]},
               {"agent",
                {{"type", "agent_with_overrides"},
                 {"id", agent["id"]},
                 {"version", 1},
                 {"system", "mine"},
                 {"tools", json::array()}}}};
  EXPECT_EQ(Post("/v1/sessions", body)["agent"]["system"], "mine");
  EXPECT_TRUE(Get("/v1/agents/" + agent["id"].get<std::string>())["system"].is_null());
  body["agent"]["type"] = "agent";
  EXPECT_THAT(Message(Ask("POST", "/v1/sessions", body.dump())), HasSubstr("agent.system"));
}

TEST_F(RestApiTest, WhatThisServerHasNotIsRefusedByName) {
  const json session = NewSession();
  const std::string path = "/v1/sessions/" + session["id"].get<std::string>();
  const json create = {{"agent", session["agent"]["id"]},
                       {"environment_id", session["environment_id"]}};
  for (const auto& [field, value] : std::vector<std::pair<std::string, json>>{
           {"resources", json({{{"type", "file"}, {"file_id", "file_1"}}})},
           {"vault_ids", json({"vlt_1"})},
           {"budget", json({{"type", "limit"}})},
           {"initial_events", json({{{"type", "user.message"}}})}}) {
    json body = create;
    body[field] = value;
    const HttpsAnswer answer = Ask("POST", "/v1/sessions", body.dump());
    EXPECT_EQ(answer.status, 501) << field;
    EXPECT_THAT(Message(answer), StartsWith(field));
    EXPECT_EQ(answer.headers.at("x-should-retry"), "false");
  }
  const HttpsAnswer sent = Ask("POST", path + "/events", R"({"events": []})");
  EXPECT_EQ(sent.status, 501);
  EXPECT_THAT(Message(sent), HasSubstr("sandboxes and no model"));
  EXPECT_EQ(Get(path + "/resources")["data"], json::array());
  EXPECT_THAT(Message(Ask("POST", path + "/resources", "{}")), StartsWith("resources:"));
  EXPECT_EQ(Ask("GET", "/v1/sessions/sesn_x/events").status, 404);
}

TEST_F(RestApiTest, ListsOfSessionsFilterAndGoBothWays) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(NewSession()["id"]);
  EXPECT_EQ(Get("/v1/sessions?statuses%5B%5D=idle&statuses%5B%5D=running")["data"].size(), 5u);
  EXPECT_EQ(Get("/v1/sessions?statuses[]=running")["data"].size(), 0u);
  EXPECT_EQ(Get("/v1/sessions?deployment_id=d")["data"].size(), 0u);
  EXPECT_EQ(Ask("GET", "/v1/sessions?agent_version=1").status, 400);
  const json first = Get("/v1/sessions?order=asc&limit=1")["data"][0];
  const std::string agent = first["agent"]["id"];
  EXPECT_EQ(Get("/v1/sessions?agent_version=1&agent_id=" + agent)["data"].size(), 1u);
  EXPECT_EQ(Get("/v1/sessions?agent_version=2&agent_id=" + agent)["data"].size(), 0u);
  const std::string at = first["created_at"];
  EXPECT_EQ(Get("/v1/sessions?created_at[gt]=" + at)["data"].size(), 4u);
  EXPECT_EQ(Get("/v1/sessions?created_at[gte]=" + at)["data"].size(), 5u);
  EXPECT_EQ(Get("/v1/sessions?created_at[lte]=" + at)["data"].size(), 1u);
  EXPECT_EQ(Get("/v1/sessions?created_at[lt]=" + at)["data"].size(), 0u);

  const std::string base = "/v1/sessions?order=asc&limit=2";
  const json one = Get(base);
  EXPECT_TRUE(one["prev_page"].is_null());
  const json two = Get(base + "&page=" + one["next_page"].get<std::string>());
  const json three = Get(base + "&page=" + two["next_page"].get<std::string>());
  EXPECT_EQ(three["data"].size(), 1u);
  EXPECT_TRUE(three["next_page"].is_null());
  const json back = Get(base + "&page=" + three["prev_page"].get<std::string>());
  EXPECT_EQ(back["data"][0]["id"], ids[2]);
  EXPECT_EQ(back["data"][1]["id"], ids[3]);
  EXPECT_EQ(back["next_page"], two["next_page"]);
  const json start = Get(base + "&page=" + back["prev_page"].get<std::string>());
  EXPECT_EQ(start["data"][0]["id"], ids[0]);
  EXPECT_TRUE(start["prev_page"].is_null());
}

// --- Events

TEST_F(RestApiTest, EventsTellTheStatusUntilTheSessionIsGone) {
  const json session = NewSession();
  const std::string path = "/v1/sessions/" + session["id"].get<std::string>();
  const json events = Get(path + "/events");
  ASSERT_EQ(events["data"].size(), 1u);
  EXPECT_EQ(events["data"][0]["type"], "session.status_idle");
  EXPECT_EQ(events["data"][0]["stop_reason"]["type"], "end_turn");

  auto client = Connect();
  std::string request = absl::StrCat("GET ", path, "/events/stream HTTP/1.1\r\nhost: x\r\n");
  for (const std::string& header : Headers()) absl::StrAppend(&request, header, "\r\n");
  ASSERT_TRUE(client->Send(request + "\r\n"));
  const HttpsAnswer head = client->ReadHead();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-type"), "text/event-stream");
  std::string seen;
  while (seen.find("\n\n") == std::string::npos) {
    const std::string more = client->ReadSome();
    ASSERT_FALSE(more.empty()) << seen;
    seen += more;
  }
  EXPECT_THAT(seen, HasSubstr("event: session.status_idle\ndata: {"));
  Good(Ask("POST", path + "/archive"));
  seen.clear();
  while (seen.find("0\r\n\r\n") == std::string::npos) {
    const std::string more = client->ReadSome();
    ASSERT_FALSE(more.empty()) << seen;
    seen += more;
  }
  EXPECT_THAT(seen, HasSubstr("event: session.status_terminated\n"));
  const json all = Get(path + "/events?order=desc&limit=1");
  EXPECT_EQ(all["data"][0]["type"], "session.status_terminated");
  const json rest =
      Get(path + "/events?order=desc&limit=1&page=" + all["next_page"].get<std::string>());
  EXPECT_EQ(rest["data"][0]["id"], events["data"][0]["id"]);
  EXPECT_TRUE(rest["next_page"].is_null());
  EXPECT_EQ(Get(path + "/events?types[]=session.status_idle")["data"].size(), 1u);
  const HttpsAnswer unknown = Ask("GET", "/v1/sessions/sesn_x/events/stream");
  EXPECT_EQ(unknown.status, 404);
}

}  // namespace
}  // namespace paddock
