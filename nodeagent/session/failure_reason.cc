#include "nodeagent/session/failure_reason.h"

#include "nodeagent/session/session_types.h"

namespace paddock::nodeagent {

absl::string_view FailureReason(absl::string_view step, const absl::Status& status) {
  if (step == "image" && absl::IsNotFound(status)) return kReasonImageMissing;
  if (!absl::IsResourceExhausted(status)) return kReasonStartFailed;
  return step == "volume" || step == "record" ? kReasonDiskFull : kReasonNodeFull;
}

}  // namespace paddock::nodeagent
