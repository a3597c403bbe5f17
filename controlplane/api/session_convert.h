// Sessions as protobuf carries them. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/sessions.h"
#include "paddock/v1/session.pb.h"

namespace paddock {

v1::SessionState ToProto(SessionPhase phase);
v1::Session ToProto(const Session& session);

// INVALID_ARGUMENT naming the field: an enum value that doesn't exist, a time out of range. All
// other rules are core's.
absl::StatusOr<CreateSessionRequest> FromProto(const v1::CreateSessionRequest& request);
absl::StatusOr<ListSessionsRequest> FromProto(const v1::ListSessionsRequest& request);

// As for environments (environment_convert.h).
absl::StatusOr<SessionPatch> PatchOf(const v1::UpdateSessionRequest& request);

}  // namespace paddock
