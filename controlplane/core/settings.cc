#include "controlplane/core/settings.h"

#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paddock {

absl::Status Settings::Validate() const {
  const std::initializer_list<std::pair<const char*, absl::Duration>> times = {
      {"heartbeat_interval", heartbeat_interval},
      {"not_ready_after", not_ready_after},
      {"fence_after", fence_after},
      {"lost_after", lost_after},
      {"put_deadline", put_deadline},
      {"stop_deadline", stop_deadline},
      {"start_timeout", start_timeout},
      {"stop_timeout", stop_timeout},
      {"pending_timeout", pending_timeout},
      {"build_lease", build_lease},
      {"build_timeout", build_timeout},
      {"max_wait", max_wait}};
  for (const auto& [name, time] : times) {
    if (time <= absl::ZeroDuration()) {
      return absl::InvalidArgumentError(absl::StrCat(name, " must be positive"));
    }
  }
  if (max_builds_per_node <= 0) {
    return absl::InvalidArgumentError("max_builds_per_node must be positive");
  }
  if (not_ready_after <= heartbeat_interval) {
    return absl::InvalidArgumentError("not_ready_after must be above heartbeat_interval");
  }
  if (lost_after <= fence_after) {
    return absl::InvalidArgumentError(
        "lost_after must be above fence_after: a session must be dead before it is placed again");
  }
  if (lost_after <= not_ready_after) {
    return absl::InvalidArgumentError("lost_after must be above not_ready_after");
  }
  return absl::OkStatus();
}

}  // namespace paddock
