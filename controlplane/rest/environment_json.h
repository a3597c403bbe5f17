// Environments as the REST API carries them. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "controlplane/core/environment_patch.h"
#include "controlplane/core/resources.h"
#include "nlohmann/json.hpp"

namespace paddock {

// Explicit nulls, every list of packages.
nlohmann::ordered_json ToJson(const Environment& environment);

// What the body of a create or an update asks for: absent keeps, null clears (environment_patch.h).
// INVALID_ARGUMENT naming each member that isn't known or of the wrong type; all other rules are
// core's.
absl::StatusOr<EnvironmentPatch> NewEnvironmentPatch(const nlohmann::json& body);
absl::StatusOr<EnvironmentPatch> UpdateEnvironmentPatch(const nlohmann::json& body);

}  // namespace paddock
