#include "nodeagent/session/volume_step.h"

#include "common/status_macros.h"

namespace paddock::nodeagent {

absl::Status VolumeStep::Do(StartContext& context) {
  const SessionSpec& spec = context.record.spec;
  if (!spec.keep_volume) {
    // What an earlier generation may have left behind isn't this one's.
    PADDOCK_RETURN_IF_ERROR(resources_->volumes->Destroy(spec.session_id));
  }
  PADDOCK_ASSIGN_OR_RETURN(context.container.volume_dir,
                           resources_->volumes->Create(spec.session_id, spec.limits.disk_bytes));
  return absl::OkStatus();
}

absl::Status VolumeStep::Undo(const SessionRecord& record, bool keep_volume) {
  return keep_volume ? absl::OkStatus() : resources_->volumes->Destroy(record.spec.session_id);
}

}  // namespace paddock::nodeagent
