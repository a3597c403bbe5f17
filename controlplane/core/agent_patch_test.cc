#include "controlplane/core/agent_patch.h"

#include <functional>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "controlplane/core/agent_rules.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

json Toolset(const std::string& server) {
  return {{"type", "mcp_toolset"}, {"mcp_server_name", server}};
}

Agent Stored() {
  Agent agent;
  agent.id = AgentId("agent_1");
  agent.version = 3;
  agent.name = "stored";
  agent.model = "model-1";
  agent.system = "be kind";
  agent.mcp_servers = {{"github", "https://mcp.example.com/"}};
  agent.tools = {Toolset("github"), {{"type", "agent_toolset_20260401"}}};
  agent.metadata = {{"k", "v"}};
  return agent;
}

std::vector<std::string> Fields(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : ViolationsOf(status)) fields.push_back(violation.field);
  return fields;
}

json Nested(int depth) {
  json value = "leaf";
  for (int i = 1; i < depth; ++i) value = json::array({value});
  return value;
}

TEST(AgentRulesTest, AWholeAgentIsFine) { EXPECT_TRUE(ValidateAgent(Stored()).ok()); }

TEST(AgentRulesTest, TheSmallestAgentIsFine) {
  Agent agent;
  agent.name = "a";
  agent.model = "m";
  EXPECT_TRUE(ValidateAgent(agent).ok());
  agent.model = {{"id", "m"}, {"effort", {{"type", "low"}}}};
  EXPECT_TRUE(ValidateAgent(agent).ok());
}

TEST(AgentRulesTest, EachRuleNamesItsField) {
  struct Case {
    std::function<void(Agent*)> spoil;
    const char* field;
  };
  const Case cases[] = {
      {[](Agent* a) { a->name = ""; }, "name"},
      {[](Agent* a) { a->name = std::string(257, 'x'); }, "name"},
      {[](Agent* a) { a->description = std::string(4097, 'x'); }, "description"},
      {[](Agent* a) { a->system = std::string(100'001, 'x'); }, "system"},
      {[](Agent* a) { a->system = std::string("a\0", 2); }, "system"},
      {[](Agent* a) { a->model = nullptr; }, "model"},
      {[](Agent* a) { a->model = ""; }, "model"},
      {[](Agent* a) { a->model = 5; }, "model"},
      {[](Agent* a) { a->model = json::array({"m"}); }, "model"},
      {[](Agent* a) { a->model = json::object(); }, "model.id"},
      {[](Agent* a) {
         a->model = {{"id", ""}};
       },
       "model.id"},
      {[](Agent* a) {
         a->model = {{"id", 1}};
       },
       "model.id"},
      {[](Agent* a) {
         a->model = {{"id", std::string(257, 'm')}};
       },
       "model.id"},
      {[](Agent* a) {
         a->model = {{"id", "m"}, {"efort", "low"}};
       },
       "model.efort"},
      {[](Agent* a) {
         a->model = {{"id", "m"}, {"speed", "slow"}};
       },
       "model.speed"},
      {[](Agent* a) { a->tools[1].erase("type"); }, "tools[1].type"},
      {[](Agent* a) { a->tools[1]["type"] = "bash"; }, "tools[1].type"},
      {[](Agent* a) { a->tools[1]["config"] = json::array(); }, "tools[1].config"},
      {[](Agent* a) {
         a->tools[1]["configs"] = {{{"enabled", true}}};
       },
       "tools[1].configs[0].name"},
      {[](Agent* a) { a->tools[0].erase("mcp_server_name"); }, "tools[0].mcp_server_name"},
      {[](Agent* a) { a->model = std::string(257, 'm'); }, "model"},
      {[](Agent* a) {
         a->model = {{"id", "m"}, {"x", Nested(40)}};
       },
       "model"},
      {[](Agent* a) { a->mcp_servers[0].url = "ftp://x"; }, "mcp_servers[0].url"},
      {[](Agent* a) { a->mcp_servers[0].url = ""; }, "mcp_servers[0].url"},
      {[](Agent* a) { a->mcp_servers[0].name = ""; }, "mcp_servers[0].name"},
      {[](Agent* a) { a->mcp_servers[0].name = std::string(256, 'n'); }, "mcp_servers[0].name"},
      {[](Agent* a) { a->mcp_servers.push_back(a->mcp_servers[0]); }, "mcp_servers[1].name"},
      {[](Agent* a) {
         a->mcp_servers.push_back({"unused", "https://x.com"});
       },
       "mcp_servers[1]"},
      {[](Agent* a) { a->tools.clear(); }, "mcp_servers[0]"},
      {[](Agent* a) { a->mcp_servers.clear(); }, "tools[0].mcp_server_name"},
      {[](Agent* a) { a->tools[0]["mcp_server_name"] = 5; }, "tools[0].mcp_server_name"},
      {[](Agent* a) { a->tools[0]["mcp_server_name"] = "GitHub"; }, "tools[0].mcp_server_name"},
      {[](Agent* a) { a->tools[1] = "text"; }, "tools[1]"},
      {[](Agent* a) { a->tools[1]["x"] = std::string("\0", 1); }, "tools[1]"},
      {[](Agent* a) { a->tools[1]["x\xff"] = 1; }, "tools[1]"},
      {[](Agent* a) { a->tools[1]["x"] = std::numeric_limits<double>::quiet_NaN(); }, "tools[1]"},
      {[](Agent* a) { a->tools[1]["x"] = Nested(33); }, "tools[1]"},
      {[](Agent* a) { a->tools.resize(257, json::object()); }, "tools"},
      {[](Agent* a) { a->skills.resize(257, json::object()); }, "skills"},
      {[](Agent* a) { a->skills = {json::array()}; }, "skills[0]"},
      {[](Agent* a) {
         a->metadata = {{"", "v"}};
       },
       "metadata[\"\"]"},
      {[](Agent* a) {
         a->mcp_servers.resize(21, {"n", "https://x.com"});
       },
       "mcp_servers"},
  };
  int index = 0;
  for (const Case& test : cases) {
    Agent agent = Stored();
    test.spoil(&agent);
    const absl::Status status = ValidateAgent(agent);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "case " << index;
    EXPECT_THAT(Fields(status), Contains(test.field)) << "case " << index;
    ++index;
  }
}

TEST(AgentRulesTest, BoundsAreInclusive) {
  Agent agent = Stored();
  agent.system = std::string(100'000, 'x');
  agent.mcp_servers.clear();
  agent.tools.clear();
  for (int i = 0; i < 20; ++i) {
    const std::string name = absl::StrCat(std::string(253, 'n'), i / 10, i % 10);
    agent.mcp_servers.push_back({name, "https://x.com"});
    agent.tools.push_back(Toolset(name));
  }
  agent.tools.resize(256, {{"type", "agent_toolset_20260401"}});
  EXPECT_TRUE(ValidateAgent(agent).ok()) << ValidateAgent(agent);
}

TEST(AgentRulesTest, TooManyServersAreTheOnlyMistakeThatIsTold) {
  Agent agent = Stored();
  agent.mcp_servers.clear();
  agent.tools.clear();
  for (int i = 0; i < 21; ++i) {
    const std::string name = absl::StrCat("n", i);
    agent.mcp_servers.push_back({name, "https://x.com"});
    agent.tools.push_back(Toolset(name));
  }
  EXPECT_THAT(Fields(ValidateAgent(agent)), ElementsAre("mcp_servers"));
}

TEST(AgentRulesTest, AnAgentOfMoreThanAMebibyteIsRefused) {
  Agent agent = Stored();
  agent.tools[1]["blob"] = std::string(1 << 20, 'x');
  EXPECT_THAT(std::string(ValidateAgent(agent).message()), HasSubstr("1 MiB"));
}

TEST(AgentPatchTest, FieldsAreKeptSetAndCleared) {
  AgentPatch patch;
  EXPECT_TRUE(SameContent(*ApplyAgentPatch(patch, Stored()), Stored()));
  patch.system = Change<std::string>::Clear();
  patch.model = Change<json>::Set({{"id", "model-2"}});
  patch.metadata.entries = {{"k", ""}};
  auto result = ApplyAgentPatch(patch, Stored());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->system, std::nullopt);
  EXPECT_EQ(result->model, (json{{"id", "model-2"}}));
  EXPECT_TRUE(result->metadata.empty());
  EXPECT_EQ(result->tools, Stored().tools);
  EXPECT_EQ(result->version, 3);
  EXPECT_FALSE(SameContent(*result, Stored()));
}

TEST(AgentPatchTest, AnEmptyDescriptionOrSystemIsNull) {
  AgentPatch patch;
  patch.description = Change<std::string>::Set("");
  patch.system = Change<std::string>::Set("");
  const auto updated = ApplyAgentPatch(patch, Stored());
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->description, std::nullopt);
  EXPECT_EQ(updated->system, std::nullopt);
  AgentOverrides overrides;
  overrides.system = std::optional<std::string>("");
  EXPECT_EQ(ApplyOverrides(Stored(), overrides)->system, std::nullopt);
}

TEST(AgentPatchTest, ListsAreReplacedAndJudgedTogether) {
  AgentPatch patch;
  patch.mcp_servers = Change<std::vector<McpServer>>::Clear();
  EXPECT_THAT(Fields(ApplyAgentPatch(patch, Stored()).status()),
              Contains("tools[0].mcp_server_name"));
  patch.tools = Change<std::vector<json>>::Set({});
  auto result = ApplyAgentPatch(patch, Stored());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->mcp_servers.empty());
  EXPECT_TRUE(result->tools.empty());
}

TEST(AgentPatchTest, NameAndModelCannotBeCleared) {
  AgentPatch patch;
  patch.name = Change<std::string>::Clear();
  patch.model = Change<json>::Clear();
  EXPECT_THAT(Fields(ApplyAgentPatch(patch, Stored()).status()),
              testing::ElementsAre("name", "model"));
  EXPECT_THAT(Fields(NewAgent(patch).status()), testing::ElementsAre("name", "model"));
}

TEST(AgentPatchTest, FurtherFieldsAreReplacedByKeyAndRemovedByNull) {
  Agent agent = Stored();
  agent.rest = {{"a", 1}, {"b", 2}};
  AgentPatch patch;
  patch.rest = {{"a", nullptr}, {"c", {{"d", 3}}}};
  EXPECT_EQ(ApplyAgentPatch(patch, agent)->rest, (json{{"b", 2}, {"c", {{"d", 3}}}}));
}

TEST(AgentPatchTest, ANewAgentTakesWhatIsGiven) {
  AgentPatch patch;
  patch.name = Change<std::string>::Set("new");
  patch.model = Change<json>::Set("model-1");
  patch.metadata.entries = {{"k", ""}};
  auto agent = NewAgent(patch);
  ASSERT_TRUE(agent.ok()) << agent.status();
  EXPECT_EQ(agent->metadata, (Metadata{{"k", ""}}));
  EXPECT_EQ(agent->description, std::nullopt);
}

TEST(AgentOverridesTest, GivenFieldsReplaceAndTheAgentStays) {
  const Agent agent = Stored();
  AgentOverrides overrides;
  overrides.model = json("model-9");
  overrides.system = std::optional<std::string>();
  overrides.mcp_servers = std::vector<McpServer>();
  overrides.tools = std::vector<json>();
  auto snapshot = ApplyOverrides(agent, overrides);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->model, "model-9");
  EXPECT_EQ(snapshot->system, std::nullopt);
  EXPECT_TRUE(snapshot->mcp_servers.empty());
  EXPECT_EQ(snapshot->version, 3);
  EXPECT_TRUE(SameContent(agent, Stored()));
  EXPECT_TRUE(SameContent(*ApplyOverrides(agent, {}), agent));
}

TEST(AgentPatchTest, EffortIsKeptUnlessAMaskNamesTheModel) {
  const json low = json::parse(R"({"id": "n", "effort": "low"})");
  const json none = json::parse(R"({"id": "n"})");
  Agent stored = Stored();
  stored.model = json::parse(R"({"id": "m", "effort": "low"})");
  AgentPatch patch;
  patch.model = Change<json>::Set(none);
  EXPECT_EQ(ApplyAgentPatch(patch, stored)->model, low);
  EXPECT_EQ(ApplyAgentPatch(patch, Stored())->model, none);
  patch.replaces_model = true;
  EXPECT_EQ(ApplyAgentPatch(patch, stored)->model, none);
  patch.replaces_model = false;
  for (const char* explicit_model : {R"({"id": "n", "effort": null})", R"("n")"}) {
    patch.model = Change<json>::Set(json::parse(explicit_model));
    EXPECT_EQ(ApplyAgentPatch(patch, stored)->model, json::parse(explicit_model));
  }
}

TEST(AgentOverridesTest, TheWholeIsJudgedAndNamedAsOverrides) {
  AgentOverrides overrides;
  overrides.tools = std::vector<json>();
  EXPECT_THAT(Fields(ApplyOverrides(Stored(), overrides).status()),
              testing::ElementsAre("agent.overrides.mcp_servers[0]"));
  overrides = {};
  overrides.mcp_servers = std::vector<McpServer>{{"other", "https://x.com"}};
  EXPECT_THAT(Fields(ApplyOverrides(Stored(), overrides).status()),
              testing::ElementsAre("agent.overrides.tools[0].mcp_server_name",
                                   "agent.overrides.mcp_servers[0]"));
  overrides.tools = std::vector<json>{Toolset("other")};
  EXPECT_TRUE(ApplyOverrides(Stored(), overrides).ok());
  overrides.model = json("");
  EXPECT_THAT(Fields(ApplyOverrides(Stored(), overrides).status()),
              testing::ElementsAre("agent.overrides.model"));
}

}  // namespace
}  // namespace paddock
