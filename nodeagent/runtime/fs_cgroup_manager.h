#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/runtime/cgroup_layout.h"
#include "nodeagent/runtime/cgroup_manager.h"
#include "nodeagent/runtime/cgroup_settings.h"

namespace paddock::nodeagent {

// CgroupManager on the mounted cgroup file systems. Thread-safe; Prepare comes before everything
// else.
class FsCgroupManager : public CgroupManager {
 public:
  // `subtree` is relative to each hierarchy's root.
  // `other_mounts` are hierarchies beside the layout's, in which runc puts sandboxes, too; they are
  // cleared with the subtree.
  FsCgroupManager(CgroupLayout layout, std::string subtree,
                  std::vector<std::string> other_mounts = {})
      : layout_(std::move(layout)),
        subtree_(std::move(subtree)),
        other_mounts_(std::move(other_mounts)) {}

  absl::Status Prepare(const SandboxLimits& capacity) override;
  absl::Status LeaveOwnCgroups() override;
  absl::Status Create(const std::string& name, const SandboxLimits& limits) override;
  std::string PathInHierarchy(const std::string& name) override;
  absl::StatusOr<CgroupEntry> OpenForSpawn(const std::string& name) override;
  absl::StatusOr<int> CreateExec(const std::string& session, const std::string& exec_id) override;
  absl::Status Kill(const std::string& name, absl::Duration timeout) override;
  absl::Status Remove(const std::string& name) override;
  bool IsEmpty(const std::string& name) override;
  absl::StatusOr<std::vector<std::string>> ListExecs(const std::string& session) override;
  absl::StatusOr<std::vector<std::string>> List() override;
  absl::StatusOr<CgroupUsage> Usage(const std::string& name) override;
  absl::Status RemoveSubtree() override;
  std::vector<std::string> Directories(const std::string& name) override;

 private:
  std::string Directory(const CgroupHierarchy& hierarchy, const std::string& name) const;
  // Absolute path of a control file of `name`; "" when the controller isn't used.
  std::string File(const std::string& name, const char* controller, const char* v1_file,
                   const char* v2_file) const;
  absl::Status MakeSubtree(const CgroupHierarchy& hierarchy) const;
  absl::Status Apply(const CgroupHierarchy& hierarchy, const std::string& dir,
                     const std::vector<CgroupSetting>& settings) const;
  absl::Status RemoveSubtreeAt(const std::string& mount_point) const;
  void DropUselessHierarchies();

  CgroupLayout layout_;  // Changed by Prepare alone.
  const std::string subtree_;
  const std::vector<std::string> other_mounts_;
  absl::Mutex mutex_;
  SandboxLimits capacity_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
