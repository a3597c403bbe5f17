#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "controlplane/core/violations.h"
#include "nlohmann/json.hpp"

namespace paddock {

inline constexpr size_t kMaxModelCharacters = 256;
inline constexpr absl::string_view kAgentToolset = "agent_toolset_20260401";
inline constexpr absl::string_view kMcpToolset = "mcp_toolset";

// The shape of what an agent holds as JSON, whichever API it came by, so that no typo is stored in
// silence. Each fault is named with its path below `path`. Pure.

// A model that is an object: `id` (1-256 characters), `effort` (a level, or an object with one as
// its `type`), `speed`, `inference_geo`; null counts as absent.
void CheckModelObject(const std::string& path, const nlohmann::json& model, Violations* violations);

// One tool, of one of the three types that there are, an object. Which server an `mcp_toolset`
// means is judged elsewhere.
void CheckTool(const std::string& path, const nlohmann::json& value, Violations* violations);

}  // namespace paddock
