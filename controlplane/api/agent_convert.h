// Agents as protobuf carries them. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "controlplane/core/agent_patch.h"
#include "controlplane/core/resources.h"
#include "paddock/v1/agent.pb.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

v1::Agent ToProto(const Agent& agent);

AgentPatch PatchOf(const v1::CreateAgentRequest& request);

// As for environments (environment_convert.h).
absl::StatusOr<AgentPatch> PatchOf(const v1::UpdateAgentRequest& request);

AgentOverrides FromProto(const v1::AgentOverrides& overrides);

}  // namespace paddock
