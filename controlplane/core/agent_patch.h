#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/core/change.h"
#include "controlplane/core/metadata_patch.h"
#include "controlplane/core/resources.h"

namespace paddock {

// What a create or an update call changes of an agent, for every front end (environment_patch.h
// says how each fills it). Lists are replaced as a whole; an empty description or system is null. A
// default patch changes nothing.
struct AgentPatch {
  Change<std::string> name;  // Can't be cleared.
  Change<std::string> description;
  Change<nlohmann::json> model;  // Can't be cleared.
  // A new model object without `effort` has the stored one, unless an update mask names the model.
  bool replaces_model = false;
  Change<std::string> system;
  Change<std::vector<McpServer>> mcp_servers;
  Change<std::vector<nlohmann::json>> tools;
  Change<std::vector<nlohmann::json>> skills;
  MetadataPatch metadata;
  // Further fields, stored as they are: each key replaces, a null value removes.
  nlohmann::json rest = nlohmann::json::object();
};

// `current` with `patch` applied, checked as a whole. Id, version and times are left alone. Pure.
// INVALID_ARGUMENT with every violation.
absl::StatusOr<Agent> ApplyAgentPatch(const AgentPatch& patch, const Agent& current);

// The agent that a create call asks for. Id, tenant, version and times are left empty.
absl::StatusOr<Agent> NewAgent(const AgentPatch& patch);

// Whether the two differ in nothing that a user can change.
bool SameContent(const Agent& a, const Agent& b);

}  // namespace paddock
