#pragma once

#include <string>

#include "controlplane/core/violations.h"
#include "nlohmann/json.hpp"

namespace paddock {

inline constexpr char kAgentToolset[] = "agent_toolset_20260401";
inline constexpr char kMcpToolset[] = "mcp_toolset";

// What REST asks of an agent's members that the core stores as they are, so that no typo is stored
// in silence. Each fault is named with its path. Pure.

// A model that is an object: `id`, `effort`, `speed`, `inference_geo`.
void CheckModelObject(const std::string& path, const nlohmann::json& model, Violations* violations);

// One tool, of one of the three types that there are. What isn't an object is left alone.
void CheckTool(const std::string& path, const nlohmann::json& value, Violations* violations);

}  // namespace paddock
