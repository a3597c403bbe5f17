#include "controlplane/core/agent_json_rules.h"

#include <vector>

#include "controlplane/core/json_path.h"
#include "controlplane/core/object_reader.h"
#include "controlplane/core/text_rules.h"

namespace paddock {
namespace {

// `enabled` and `permission_policy`.
void CheckConfigMembers(ObjectReader* config, Violations* violations) {
  config->Bool("enabled");
  const Change<nlohmann::json> policy = config->Json("permission_policy");
  if (policy.sets()) {
    ObjectReader reader(config->PathOf("permission_policy"), policy.value(), violations);
    reader.Type({"always_allow", "always_ask", "auto"});
    reader.RefuseTheRest();
  }
  config->RefuseTheRest();
}

void CheckToolset(ObjectReader* tool, Violations* violations) {
  const auto configs = tool->Objects("configs");
  for (size_t i = 0; configs.sets() && i < configs.value().size() && !violations->full(); ++i) {
    if (!configs.value()[i].is_object()) continue;
    ObjectReader config(ItemPath(tool->PathOf("configs"), i), configs.value()[i], violations);
    config.Required("name");
    CheckConfigMembers(&config, violations);
  }
  const Change<nlohmann::json> defaults = tool->Json("default_config");
  if (!defaults.sets()) return;
  ObjectReader config(tool->PathOf("default_config"), defaults.value(), violations);
  CheckConfigMembers(&config, violations);
}

void CheckCustom(ObjectReader* tool, Violations* violations) {
  tool->Required("name");
  tool->Required("description");
  const nlohmann::json* schema = tool->Find("input_schema");
  if (schema == nullptr || schema->is_null()) {
    violations->Add(tool->PathOf("input_schema"), "is required");
  } else if (!schema->is_object()) {
    violations->Add(tool->PathOf("input_schema"), "must be an object");
  }
}

}  // namespace

void CheckModelObject(const std::string& path, const nlohmann::json& model,
                      Violations* violations) {
  const std::vector<absl::string_view> efforts = {"low", "medium", "high", "xhigh", "max"};
  ObjectReader reader(path, model, violations);
  const nlohmann::json* id = reader.Find("id");
  if (id != nullptr && id->is_string()) {
    CheckText(reader.PathOf("id"), id->get_ref<const std::string&>(), 1, kMaxModelCharacters,
              Controls::kRefused, violations);
  } else {
    reader.Required("id");
  }
  reader.OneOf("speed", {"standard", "fast"});
  reader.String("inference_geo");
  const nlohmann::json* effort = reader.Find("effort");
  if (effort != nullptr && effort->is_object()) {
    ObjectReader of_effort(reader.PathOf("effort"), *effort, violations);
    of_effort.Type(efforts);
    of_effort.RefuseTheRest();
  } else {
    reader.OneOf("effort", efforts);
  }
  reader.RefuseTheRest();
}

void CheckTool(const std::string& path, const nlohmann::json& value, Violations* violations) {
  ObjectReader tool(path, value, violations);
  const std::string type = tool.Type({kAgentToolset, kMcpToolset, "custom"});
  if (type.empty()) return;
  if (type == "custom") {
    CheckCustom(&tool, violations);
  } else {
    CheckToolset(&tool, violations);
  }
  if (type == kMcpToolset) tool.Required("mcp_server_name");
  tool.RefuseTheRest();
}

}  // namespace paddock
