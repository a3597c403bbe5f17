// Environments as protobuf carries them. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "controlplane/core/environment_patch.h"
#include "controlplane/core/resources.h"
#include "paddock/v1/environment.pb.h"

namespace paddock {

v1::EnvironmentConfig ToProto(const EnvironmentConfig& config);
v1::Environment ToProto(const Environment& environment);

EnvironmentPatch PatchOf(const v1::CreateEnvironmentRequest& request);

// With a mask exactly the named paths; a path that the message lacks is cleared. Without one what
// is set. INVALID_ARGUMENT for an unknown path, and for paths that contradict each other.
absl::StatusOr<EnvironmentPatch> PatchOf(const v1::UpdateEnvironmentRequest& request);

}  // namespace paddock
