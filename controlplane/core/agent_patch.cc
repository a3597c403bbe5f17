#include "controlplane/core/agent_patch.h"

#include "common/status_macros.h"
#include "controlplane/core/agent_rules.h"
#include "controlplane/core/violations.h"

namespace paddock {
namespace {

nlohmann::json ApplyRest(const nlohmann::json& patch, nlohmann::json current) {
  for (const auto& item : patch.items()) {
    if (item.value().is_null()) {
      current.erase(item.key());
    } else {
      current[item.key()] = item.value();
    }
  }
  return current;
}

void KeepEffort(const nlohmann::json& stored, nlohmann::json* model) {
  if (!stored.is_object() || !model->is_object() || model->contains("effort")) return;
  const auto effort = stored.find("effort");
  if (effort != stored.end()) (*model)["effort"] = *effort;
}

}  // namespace

absl::StatusOr<Agent> ApplyAgentPatch(const AgentPatch& patch, const Agent& current) {
  Violations violations;
  if (patch.name.clears()) violations.Add("name", "can't be cleared");
  if (patch.model.clears()) violations.Add("model", "can't be cleared");
  CheckMetadataPatch(patch.metadata, &violations);
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  Agent result = current;
  patch.name.ApplyTo(&result.name);
  patch.description.ApplyTo(&result.description);
  EmptyIsNone(&result.description);
  patch.model.ApplyTo(&result.model);
  if (patch.model.sets() && !patch.replaces_model) KeepEffort(current.model, &result.model);
  patch.system.ApplyTo(&result.system);
  EmptyIsNone(&result.system);
  patch.mcp_servers.ApplyTo(&result.mcp_servers);
  patch.tools.ApplyTo(&result.tools);
  patch.skills.ApplyTo(&result.skills);
  result.metadata = ApplyMetadataPatch(patch.metadata, current.metadata);
  result.rest = ApplyRest(patch.rest, current.rest);
  PADDOCK_RETURN_IF_ERROR(ValidateAgent(result));
  return result;
}

absl::StatusOr<Agent> NewAgent(const AgentPatch& patch) {
  AgentPatch on_defaults = patch;
  // A create stores what it gives; only an update reads an empty value as a deletion. And what it
  // doesn't give is missing, not cleared.
  on_defaults.metadata.replace = true;
  if (patch.name.clears()) on_defaults.name = Change<std::string>();
  if (patch.model.clears()) on_defaults.model = Change<nlohmann::json>();
  return ApplyAgentPatch(on_defaults, Agent());
}

bool SameContent(const Agent& a, const Agent& b) {
  return a.name == b.name && a.description == b.description && a.model == b.model &&
         a.system == b.system && a.mcp_servers == b.mcp_servers && a.tools == b.tools &&
         a.skills == b.skills && a.metadata == b.metadata && a.rest == b.rest;
}

}  // namespace paddock
