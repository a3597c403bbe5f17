#include "controlplane/core/agent_rules.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "controlplane/core/agent_json_rules.h"
#include "controlplane/core/http_url.h"
#include "controlplane/core/json_rules.h"
#include "controlplane/core/text_rules.h"
#include "controlplane/core/violations.h"

namespace paddock {
namespace {

constexpr size_t kMaxServerNameCharacters = 255;

// The member `key` of `object` if that is a string, else null.
const std::string* StringMember(const nlohmann::json& object, absl::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto member = object.find(std::string(key));
  if (member == object.end() || !member->is_string()) return nullptr;
  return &member->get_ref<const std::string&>();
}

class AgentChecker {
 public:
  // `prefix` goes in front of every field's name, such as `agent.overrides.`.
  AgentChecker(absl::string_view prefix, Violations* violations)
      : prefix_(prefix), violations_(violations) {}

  void CheckModel(const nlohmann::json& model) {
    const std::string path = Path("model");
    if (model.is_object()) {
      CheckModelObject(path, model, violations_);
      CheckOpaqueJson(path, model, violations_);
    } else if (model.is_string() && !model.get_ref<const std::string&>().empty()) {
      CheckText(path, model.get_ref<const std::string&>(), 1, kMaxModelCharacters,
                Controls::kRefused, violations_);
    } else {
      violations_->Add(path, "is required: a non-empty string, or an object with a non-empty `id`");
    }
  }

  void CheckSystem(const std::optional<std::string>& system) {
    if (!system.has_value()) return;
    CheckText(Path("system"), *system, 0, kMaxSystemCharacters, Controls::kAllowed, violations_);
  }

  void CheckServers(const std::vector<McpServer>& servers) {
    all_names_known_ = CheckCount("mcp_servers", servers.size(), kMaxMcpServers);
    if (!all_names_known_) return;
    for (size_t i = 0; i < servers.size() && !violations_->full(); ++i) {
      const std::string path = Path(absl::StrCat("mcp_servers[", i, "]"));
      CheckText(path + ".name", servers[i].name, 1, kMaxServerNameCharacters, Controls::kRefused,
                violations_);
      if (!server_names_.insert(servers[i].name).second) {
        violations_->Add(path + ".name", "must be unique among the agent's MCP servers");
      }
      const auto url = ParseHttpUrl(servers[i].url);
      if (!url.ok()) violations_->Add(path + ".url", std::string(url.status().message()));
    }
  }

  void CheckTools(const std::vector<nlohmann::json>& tools) {
    if (!CheckCount("tools", tools.size(), kMaxTools)) return;
    for (size_t i = 0; i < tools.size() && !violations_->full(); ++i) {
      const std::string path = Path(absl::StrCat("tools[", i, "]"));
      CheckTool(path, tools[i], violations_);
      CheckOpaqueJson(path, tools[i], violations_);
      const std::string* type = StringMember(tools[i], "type");
      if (type != nullptr && *type == kMcpToolset) CheckToolset(path, tools[i]);
    }
  }

  void CheckSkills(const std::vector<nlohmann::json>& skills) {
    if (!CheckCount("skills", skills.size(), kMaxSkills)) return;
    for (size_t i = 0; i < skills.size() && !violations_->full(); ++i) {
      const std::string path = Path(absl::StrCat("skills[", i, "]"));
      if (!skills[i].is_object()) violations_->Add(path, "must be an object");
      CheckOpaqueJson(path, skills[i], violations_);
    }
  }

  // After CheckServers and CheckTools.
  void CheckEveryServerIsUsed(const std::vector<McpServer>& servers) {
    if (servers.size() > kMaxMcpServers) return;
    for (size_t i = 0; i < servers.size(); ++i) {
      if (used_names_.count(servers[i].name) > 0) continue;
      violations_->Add(Path(absl::StrCat("mcp_servers[", i, "]")),
                       absl::StrCat(Quote(servers[i].name),
                                    " must be used by a tool of type mcp_toolset with that "
                                    "mcp_server_name"));
    }
  }

 private:
  std::string Path(absl::string_view field) const { return absl::StrCat(prefix_, field); }

  bool CheckCount(absl::string_view field, size_t count, size_t maximum) {
    if (count <= maximum) return true;
    violations_->Add(Path(field),
                     absl::StrCat("must have at most ", maximum, " entries, has ", count));
    return false;
  }

  void CheckToolset(const std::string& path, const nlohmann::json& tool) {
    const std::string* server = StringMember(tool, "mcp_server_name");
    if (server == nullptr) return;  // CheckTool says so.
    if (!all_names_known_) return;
    if (server_names_.count(*server) == 0) {
      violations_->Add(path + ".mcp_server_name", "must be the name of one of mcp_servers");
    } else {
      used_names_.insert(*server);
    }
  }

  const absl::string_view prefix_;
  Violations* const violations_;
  bool all_names_known_ = true;
  std::set<std::string> server_names_;
  std::set<std::string> used_names_;
};

absl::Status Validate(const Agent& agent, absl::string_view prefix) {
  if (ApproximateSize(agent) > kMaxAgentBytes) {
    return errors::InvalidField(prefix.empty() ? "agent" : "agent.overrides",
                                "an agent must have at most 1 MiB in all");
  }
  Violations violations;
  CheckName("name", agent.name, &violations);
  if (agent.description.has_value()) CheckDescription(*agent.description, &violations);
  CheckMetadata(agent.metadata, &violations);
  CheckOpaqueJson("agent", agent.rest, &violations);
  AgentChecker checker(prefix, &violations);
  checker.CheckModel(agent.model);
  checker.CheckSystem(agent.system);
  checker.CheckServers(agent.mcp_servers);
  checker.CheckTools(agent.tools);
  checker.CheckEveryServerIsUsed(agent.mcp_servers);
  checker.CheckSkills(agent.skills);
  return violations.ToStatus();
}

}  // namespace

absl::Status ValidateAgent(const Agent& agent) { return Validate(agent, ""); }

absl::StatusOr<AgentSnapshot> ApplyOverrides(const Agent& agent, const AgentOverrides& overrides) {
  AgentSnapshot snapshot = agent;
  if (overrides.model.has_value()) snapshot.model = *overrides.model;
  if (overrides.system.has_value()) snapshot.system = *overrides.system;
  EmptyIsNone(&snapshot.system);
  if (overrides.mcp_servers.has_value()) snapshot.mcp_servers = *overrides.mcp_servers;
  if (overrides.tools.has_value()) snapshot.tools = *overrides.tools;
  if (overrides.skills.has_value()) snapshot.skills = *overrides.skills;
  PADDOCK_RETURN_IF_ERROR(Validate(snapshot, "agent.overrides."));
  return snapshot;
}

void EmptyIsNone(std::optional<std::string>* text) {
  if (text->has_value() && (*text)->empty()) text->reset();
}

size_t ApproximateSize(const Agent& agent) {
  constexpr size_t kFixed = 200;
  size_t size = kFixed + agent.name.size() + ApproximateSize(agent.model) +
                ApproximateSize(agent.rest) + agent.description.value_or("").size() +
                agent.system.value_or("").size();
  for (const McpServer& server : agent.mcp_servers) size += server.name.size() + server.url.size();
  for (const auto& tool : agent.tools) size += ApproximateSize(tool);
  for (const auto& skill : agent.skills) size += ApproximateSize(skill);
  for (const auto& [key, value] : agent.metadata) size += key.size() + value.size();
  return size;
}

}  // namespace paddock
