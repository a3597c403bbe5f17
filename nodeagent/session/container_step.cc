#include "nodeagent/session/container_step.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
absl::Status ContainerStep::Do(StartContext& context) {
  context.record.runtime.clear();  // An earlier start's.
  ContainerRuntime* const runtime = resources_->RuntimeOf(context.record);
  if (runtime == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("this node has no runtime class \"", context.record.spec.runtime_class, "\""));
  }
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(context.container.bundle_dir, 0711));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(context.container.runtime_root, 0700));
  context.record.runtime = runtime->name();
  PADDOCK_ASSIGN_OR_RETURN(context.record.container,
                           runtime->Start(context.container, start_timeout_));
  return absl::OkStatus();
}

absl::Status ContainerStep::Undo(const SessionRecord& record, bool keep_volume) {
  ContainerRuntime* runtime = resources_->RuntimeOf(record);
  // The class is gone since an earlier agent used it: any runtime can kill and clear the cgroup.
  if (runtime == nullptr) runtime = resources_->RuntimeOf(SessionRecord());
  if (runtime == nullptr) return absl::FailedPreconditionError("no OCI runtime on this node");
  return runtime->Destroy(DescribeContainer(*resources_->paths, record), destroy_timeout_);
}

}  // namespace paddock::nodeagent
