// Agents as the REST API carries them. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "controlplane/core/agent_patch.h"
#include "controlplane/core/object_reader.h"
#include "controlplane/core/resources.h"
#include "nlohmann/json.hpp"

namespace paddock {

// Explicit nulls; the model always as an object, and toolsets with the defaults that they mean.
nlohmann::ordered_json ToJson(const Agent& agent);
// The agent as a session shows it: without what belongs to the agent alone.
nlohmann::ordered_json SnapshotJson(const AgentSnapshot& agent);

struct AgentUpdate {
  AgentPatch patch;
  int64_t version = 0;  // 0: whichever is newest.
};

// As for environments (environment_json.h).
absl::StatusOr<AgentPatch> NewAgentPatch(const nlohmann::json& body);
absl::StatusOr<AgentUpdate> UpdateAgentPatch(const nlohmann::json& body);

// What a session changes of its agent: the members of `agent` beside its id, type and version.
AgentOverrides ReadOverrides(ObjectReader* agent, Violations* violations);
// Only `tools` and `mcp_servers`, which an update of a session may replace.
AgentOverrides ReadToolOverrides(ObjectReader* agent, Violations* violations);

}  // namespace paddock
