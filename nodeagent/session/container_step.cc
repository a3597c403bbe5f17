#include "nodeagent/session/container_step.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

ContainerRuntime* FindRuntime(const NodeResources& resources, const std::string& runtime_class) {
  const auto it = resources.runtimes.find(runtime_class);
  return it == resources.runtimes.end() ? nullptr : it->second;
}

}  // namespace

absl::Status ContainerStep::Do(StartContext& context) {
  ContainerRuntime* runtime = FindRuntime(*resources_, context.record.spec.runtime_class);
  if (runtime == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("this node has no runtime class \"", context.record.spec.runtime_class, "\""));
  }
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(context.container.bundle_dir, 0711));
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(context.container.runtime_root, 0700));
  PADDOCK_ASSIGN_OR_RETURN(context.record.container,
                           runtime->Start(context.container, start_timeout_));
  return absl::OkStatus();
}

absl::Status ContainerStep::Undo(const SessionRecord& record, bool keep_volume) {
  ContainerRuntime* runtime = FindRuntime(*resources_, record.spec.runtime_class);
  // The class is gone since an earlier agent used it: any runtime can kill and clear the cgroup.
  if (runtime == nullptr) runtime = FindRuntime(*resources_, "");
  if (runtime == nullptr) return absl::FailedPreconditionError("no OCI runtime on this node");
  return runtime->Destroy(DescribeContainer(*resources_->paths, record), destroy_timeout_);
}

}  // namespace paddock::nodeagent
