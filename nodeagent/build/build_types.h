#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nodeagent/image/layer_store.h"
#include "nodeagent/session/session_types.h"

namespace paddock::nodeagent {

// Stable reasons why a layer couldn't be built from what was asked for. Faults of the node itself
// aren't among them: they are errors of the call, and another node may try.
inline constexpr absl::string_view kBuildInstallFailed = "INSTALL_FAILED";
inline constexpr absl::string_view kBuildManagerMissing = "MANAGER_MISSING";
inline constexpr absl::string_view kBuildTimedOut = "TIMED_OUT";
inline constexpr absl::string_view kBuildDiskFull = "DISK_FULL";
inline constexpr absl::string_view kBuildOomKilled = "OOM_KILLED";
inline constexpr absl::string_view kBuildPidsExhausted = "PIDS_EXHAUSTED";
inline constexpr absl::string_view kBuildEgressDenied = "EGRESS_DENIED";
inline constexpr absl::string_view kBuildParentMissing = "PARENT_MISSING";

// One layer to be built.
struct BuildSpec {
  std::string build_id;  // The caller's name for it, for logs.
  std::string cache_key;
  std::string base_image;
  std::string parent;  // Empty: the base image.
  std::string manager;
  bool toolchain = false;
  std::vector<std::string> specs;
  SessionNetwork network;
  SandboxLimits limits;
  absl::Duration timeout;

  const std::string& image() const { return parent.empty() ? base_image : parent; }
};

// Why a build failed, for the user.
struct BuildFailure {
  std::string reason;  // One of kBuild….
  std::string message;
  std::string package;
  int exit_code = 0;
  std::string log_tail;
};

// Who hears of one build. Calls come one after the other from the build's thread, and OnBuilt,
// OnFailure or OnError is the last.
class BuildObserver {
 public:
  virtual ~BuildObserver() = default;
  // May block up to `patience`, and so holds the build; false when nobody listens any more.
  virtual bool OnLogLine(std::string line, absl::Duration patience) = 0;
  virtual void OnBuilt(const Layer& layer) = 0;
  virtual void OnFailure(const BuildFailure& failure) = 0;
  // A fault of the node, or CANCELLED.
  virtual void OnError(const absl::Status& status) = 0;
};

}  // namespace paddock::nodeagent
