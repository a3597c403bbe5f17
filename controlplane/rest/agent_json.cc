#include "controlplane/rest/agent_json.h"

#include <utility>
#include <vector>

#include "controlplane/core/agent_json_rules.h"
#include "controlplane/core/json_path.h"
#include "controlplane/rest/body_reader.h"
#include "controlplane/rest/rest_time.h"

namespace paddock {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Objects = Change<std::vector<nlohmann::json>>;
using Servers = Change<std::vector<McpServer>>;

// --- Answers

template <typename T>
OrderedJson OrNull(const std::optional<T>& value) {
  if (!value.has_value()) return nullptr;
  return *value;
}

OrderedJson ModelJson(const nlohmann::json& model) {
  OrderedJson json = {
      {"id", nullptr}, {"effort", nullptr}, {"speed", "standard"}, {"inference_geo", nullptr}};
  if (!model.is_object()) {
    json["id"] = model;
    return json;
  }
  for (const auto& item : model.items()) {
    if (item.key() == "effort" && item.value().is_string()) {
      json["effort"] = {{"type", item.value()}};
    } else if (!item.value().is_null()) {
      json[item.key()] = item.value();
    }
  }
  return json;
}

OrderedJson ToolJson(const nlohmann::json& tool) {
  OrderedJson json = tool;
  if (!tool.is_object()) return json;
  const std::string type = tool.value("type", nlohmann::json()).is_string()
                               ? tool["type"].get<std::string>()
                               : std::string();
  if (type != kAgentToolset && type != kMcpToolset) return json;
  if (!json.contains("configs") || json["configs"].is_null())
    json["configs"] = OrderedJson::array();
  OrderedJson& defaults = json["default_config"];
  if (!defaults.is_object()) defaults = OrderedJson::object();
  if (!defaults.contains("enabled") || defaults["enabled"].is_null()) defaults["enabled"] = true;
  if (!defaults.contains("permission_policy") || defaults["permission_policy"].is_null()) {
    defaults["permission_policy"] = {
        {"type", type == kAgentToolset ? "always_allow" : "always_ask"}};
  }
  return json;
}

OrderedJson ServersJson(const std::vector<McpServer>& servers) {
  OrderedJson list = OrderedJson::array();
  for (const McpServer& server : servers) {
    list.push_back({{"type", "url"}, {"name", server.name}, {"url", server.url}});
  }
  return list;
}

OrderedJson ToolsJson(const std::vector<nlohmann::json>& tools) {
  OrderedJson list = OrderedJson::array();
  for (const nlohmann::json& tool : tools) list.push_back(ToolJson(tool));
  return list;
}

OrderedJson SkillsJson(const std::vector<nlohmann::json>& skills) {
  OrderedJson list = OrderedJson::array();
  for (const nlohmann::json& skill : skills) list.push_back(OrderedJson(skill));
  return list;
}

// What is stored without being understood, with the defaults of what isn't there.
void AddRest(const nlohmann::json& rest, OrderedJson* json) {
  (*json)["multiagent"] = nullptr;
  (*json)["execution_identity"] = {{"type", "service_account"}};
  if (!rest.is_object()) return;
  for (const auto& item : rest.items()) (*json)[item.key()] = item.value();
}

// --- Requests

Servers ReadServers(ObjectReader* agent, Violations* violations) {
  const Objects objects = agent->Objects("mcp_servers");
  if (objects.clears()) return Servers::Clear();
  if (!objects.sets()) return {};
  std::vector<McpServer> servers;
  for (size_t i = 0; i < objects.value().size() && !violations->full(); ++i) {
    if (!objects.value()[i].is_object()) continue;
    ObjectReader server(ItemPath(agent->PathOf("mcp_servers"), i), objects.value()[i], violations);
    server.Type({"url"});
    servers.push_back({server.Required("name"), server.Required("url")});
    server.RefuseTheRest();
  }
  return Servers::Set(std::move(servers));
}

void ReadRest(ObjectReader* body, Violations* violations, nlohmann::json* rest) {
  for (const char* member : {"multiagent", "execution_identity"}) {
    const Change<nlohmann::json> change = body->Json(member);
    if (change.clears()) (*rest)[member] = nullptr;
    if (!change.sets()) continue;
    if (!change.value().is_object()) violations->Add(member, "must be an object");
    (*rest)[member] = change.value();
  }
}

void ReadCommon(ObjectReader* body, Violations* violations, AgentPatch* patch) {
  patch->name = body->String("name");
  patch->description = body->String("description");
  patch->model = body->Json("model");
  patch->system = body->String("system");
  patch->mcp_servers = ReadServers(body, violations);
  patch->tools = body->Objects("tools");
  patch->skills = body->Objects("skills");
  ReadRest(body, violations, &patch->rest);
}

// What replaces, of a change that clears to the default or sets.
template <typename T>
std::optional<T> Replacement(const Change<T>& change) {
  if (change.clears()) return T();
  if (change.sets()) return change.value();
  return std::nullopt;
}

}  // namespace

OrderedJson SnapshotJson(const AgentSnapshot& agent) {
  OrderedJson json = {{"id", agent.id.value()},
                      {"type", "agent"},
                      {"version", agent.version},
                      {"name", agent.name},
                      {"description", OrNull(agent.description)},
                      {"system", OrNull(agent.system)},
                      {"model", ModelJson(agent.model)},
                      {"mcp_servers", ServersJson(agent.mcp_servers)},
                      {"tools", ToolsJson(agent.tools)},
                      {"skills", SkillsJson(agent.skills)}};
  AddRest(agent.rest, &json);
  return json;
}

OrderedJson ToJson(const Agent& agent) {
  OrderedJson json = SnapshotJson(agent);
  json["metadata"] = agent.metadata;
  json["created_at"] = ToRestTime(agent.created_at);
  json["updated_at"] = ToRestTime(agent.updated_at);
  json["archived_at"] = ToRestTime(agent.archived_at);
  return json;
}

absl::StatusOr<AgentPatch> NewAgentPatch(const nlohmann::json& body) {
  return ReadBody<AgentPatch>(body,
                              [](ObjectReader* reader, Violations* violations, AgentPatch* patch) {
                                ReadCommon(reader, violations, patch);
                                patch->metadata = reader->NewMetadata();
                              });
}

absl::StatusOr<AgentUpdate> UpdateAgentPatch(const nlohmann::json& body) {
  return ReadBody<AgentUpdate>(
      body, [](ObjectReader* reader, Violations* violations, AgentUpdate* update) {
        ReadCommon(reader, violations, &update->patch);
        update->patch.metadata = reader->MergedMetadata(ObjectReader::Empty::kStore);
        update->version = reader->Integer("version", 1).value_or(0);
      });
}

AgentOverrides ReadToolOverrides(ObjectReader* agent, Violations* violations) {
  AgentOverrides overrides;
  overrides.tools = Replacement(agent->Objects("tools"));
  overrides.mcp_servers = Replacement(ReadServers(agent, violations));
  return overrides;
}

AgentOverrides ReadOverrides(ObjectReader* agent, Violations* violations) {
  AgentOverrides overrides = ReadToolOverrides(agent, violations);
  const Change<nlohmann::json> model = agent->Json("model");
  if (model.sets()) overrides.model = model.value();
  const Change<std::string> system = agent->String("system");
  if (system.sets()) overrides.system = std::optional<std::string>(system.value());
  if (system.clears()) overrides.system = std::optional<std::string>();
  overrides.skills = Replacement(agent->Objects("skills"));
  return overrides;
}

}  // namespace paddock
