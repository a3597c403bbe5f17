#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/sessions.h"
#include "controlplane/core/settings.h"

namespace paddock {

inline constexpr int64_t kMinCpuMillis = 10;
inline constexpr int64_t kMaxCpuMillis = 1'024'000;
inline constexpr int64_t kMinMemoryBytes = int64_t{8} << 20;
inline constexpr int64_t kMaxMemoryBytes = int64_t{64} << 40;
inline constexpr int64_t kMinDiskBytes = int64_t{32} << 20;
inline constexpr int64_t kMaxDiskBytes = int64_t{1} << 50;
inline constexpr int64_t kMinPids = 8;
inline constexpr int64_t kMaxPids = 4'194'304;  // The kernel's PID_MAX_LIMIT.

// The numbers with `settings` filled in for zeros; a default request is never above the limit. The
// compute of a valid request stays valid. Pure.
Compute EffectiveCompute(const Compute& given, const Settings& settings);

// Everything about a create that needs no database. INVALID_ARGUMENT with every violation: title,
// metadata, request_id, an environment id that isn't empty, agent version not negative; `wait` of 0
// to settings.max_wait; of compute: limits within the bounds above, requests positive and at most
// the limits, runtime class empty, crun, runc or runsc, at most 16 node labels with keys of 1-317
// and values of up to 256 characters. Pure.
absl::Status ValidateCreateSession(const CreateSessionRequest& request, const Settings& settings);

// `session` with `patch` applied to title, metadata and its copy of the agent, checked. Pure.
//   INVALID_ARGUMENT  with every violation.
//   UNIMPLEMENTED     the MCP servers would change while the session's network policy, which is
//                     settled at its creation, depends on them.
absl::StatusOr<Session> ApplySessionPatch(const Session& session, const SessionPatch& patch);

// Whether a session may be started from `environment`. Pure.
//   FAILED_PRECONDITION  it is archived, or its image failed to build.
//   UNIMPLEMENTED        it is self_hosted.
absl::Status AdmitSession(const Environment& environment);

}  // namespace paddock
