#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/core/resources.h"

namespace paddock {

inline constexpr size_t kMaxMcpServers = 20;
inline constexpr size_t kMaxTools = 256;
inline constexpr size_t kMaxSkills = 256;
inline constexpr size_t kMaxSystemCharacters = 100'000;
// Of everything together: what a session's snapshot, and every page of sessions, must carry.
inline constexpr size_t kMaxAgentBytes = 1 << 20;

// Checks a whole agent, as it is after a create or an update. INVALID_ARGUMENT with every
// violation: name; description; system; model (a string of 1-256 characters, or an object of
// agent_json_rules.h); MCP servers (at most 20, names unique and of 1-255 characters, an http or
// https URL without credentials); tools and skills (at most 256 each; tools as in
// agent_json_rules.h, skills any objects); each MCP server is used by an `mcp_toolset` of tools,
// and each `mcp_toolset` names one; metadata; at most 1 MiB in all. Pure.
absl::Status ValidateAgent(const Agent& agent);

// `agent` as one session takes it: what `overrides` gives replaces, and the whole is checked like
// an agent. INVALID_ARGUMENT with violations of `agent.overrides.…`. Pure.
absl::StatusOr<AgentSnapshot> ApplyOverrides(const Agent& agent, const AgentOverrides& overrides);

// An agent's description and system are null rather than empty.
void EmptyIsNone(std::optional<std::string>* text);

// About as many bytes as the agent has on the wire.
size_t ApproximateSize(const Agent& agent);

}  // namespace paddock
