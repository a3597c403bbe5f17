#include "nodeagent/session/failure_reason.h"

#include "nodeagent/session/session_types.h"

namespace paddock::nodeagent {

absl::string_view FailureReason(absl::string_view step, const absl::Status& status,
                                bool has_files) {
  if (step == "image" && absl::IsNotFound(status) && !has_files) return kReasonImageMissing;
  // The gateway process takes no RESCHEDULE session that it couldn't end in time: as if it had.
  if (step == "network" && absl::IsFailedPrecondition(status)) return kReasonFenced;
  if (!absl::IsResourceExhausted(status)) return kReasonStartFailed;
  return step == "volume" || step == "record" ? kReasonDiskFull : kReasonNodeFull;
}

}  // namespace paddock::nodeagent
