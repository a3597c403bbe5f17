#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// The stable reason in the status of a session whose start failed in `step`. Pure.
absl::string_view FailureReason(absl::string_view step, const absl::Status& status);

}  // namespace paddock::nodeagent
