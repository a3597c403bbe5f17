#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/session_phase.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/runtime/container_runtime.h"

namespace paddock::nodeagent {

// Stable reasons in a session's status. What users read is the message beside it.
inline constexpr absl::string_view kReasonStartFailed = "START_FAILED";
inline constexpr absl::string_view kReasonImageMissing = "IMAGE_MISSING";
inline constexpr absl::string_view kReasonUnimplemented = "UNIMPLEMENTED";
inline constexpr absl::string_view kReasonNodeFull = "NODE_RESOURCES_EXHAUSTED";
inline constexpr absl::string_view kReasonDiskFull = "DISK_FULL";
inline constexpr absl::string_view kReasonOomKilled = "OOM_KILLED";
inline constexpr absl::string_view kReasonPidsExhausted = "PIDS_EXHAUSTED";
inline constexpr absl::string_view kReasonContainerExited = "CONTAINER_EXITED";
inline constexpr absl::string_view kReasonFenced = "FENCED";
inline constexpr absl::string_view kReasonNodeRebooted = "NODE_REBOOTED";
inline constexpr absl::string_view kReasonStopped = "STOPPED";

// What a session's network may be, as the control plane ordered it. A policy of kNone is one that
// can't be read: such a session isn't started, and one that runs loses its network.
struct SessionNetwork {
  NetworkPolicy policy;
  // Of kLimited: adds the registries that the layers of the session's image name.
  bool allow_package_managers = false;
};

// What happens to a session whose node is lost.
enum class OnNodeLoss { kKeep, kReschedule };

// What one generation of a session is to be; never changes.
struct SessionSpec {
  std::string session_id;
  int64_t generation = 0;
  std::string image_digest;  // Empty: the node's base image.
  SandboxLimits limits;
  std::string runtime_class;  // Empty: the node's default OCI runtime.
  OnNodeLoss on_node_loss = OnNodeLoss::kKeep;
  SessionNetwork network;
  bool keep_volume = false;  // Start from the volume that is there.
};

// What the control plane hears about a session. Phases here are STARTING, RUNNING, STOPPING and
// TERMINATED.
struct SessionStatus {
  std::string session_id;
  int64_t generation = 0;
  SessionPhase phase = SessionPhase::kStarting;
  std::string reason;
  std::string message;
  std::optional<int> exit_code;
  int signal = 0;
  absl::Time started_at = absl::InfinitePast();  // InfinitePast: not yet.
  absl::Time ended_at = absl::InfinitePast();
  std::map<std::string, absl::Duration> step_durations;
};

}  // namespace paddock::nodeagent
