#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// The stable reason in the status of a session whose start failed in `step`. IMAGE_MISSING has the
// session placed elsewhere, so it is never that of one that `has_files` from an earlier run here.
// Pure.
absl::string_view FailureReason(absl::string_view step, const absl::Status& status, bool has_files);

}  // namespace paddock::nodeagent
