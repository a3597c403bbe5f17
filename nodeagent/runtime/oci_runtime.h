#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "nodeagent/runtime/config_json.h"
#include "nodeagent/runtime/container_runtime.h"
#include "nodeagent/runtime/exit_registry.h"
#include "nodeagent/runtime/launcher_pool.h"
#include "nodeagent/runtime/oci_flavor.h"

namespace paddock::nodeagent {

// ContainerRuntime by executing crun, runc or runsc. Thread-safe. What is shared (launchers,
// registry, cgroups) outlives it.
class OciRuntime : public ContainerRuntime {
 public:
  struct Shared {
    CgroupManager* cgroups = nullptr;
    std::shared_ptr<LauncherPool> launchers;
    std::shared_ptr<ExitRegistry> exits;
    std::string init_path;
    std::string seccomp_bpf_base64;
    nlohmann::json seccomp_profile;
    bool mount_cgroup = false;
    rlim_t max_open_files = 1024;  // The host's own hard limit; never exceeded.
  };

  // `program` is the flavor's executable, sealed; invalid to execute the file itself.
  OciRuntime(OciFlavor flavor, UniqueFd program, Shared shared)
      : flavor_(std::move(flavor)), program_(std::move(program)), shared_(std::move(shared)) {}

  std::string name() const override { return flavor_.name; }
  absl::StatusOr<RunningContainer> Start(const ContainerSpec& spec,
                                         absl::Duration timeout) override;
  bool IsAlive(const RunningContainer& container) override;
  void WatchExit(const RunningContainer& container, const std::string& cgroup,
                 std::function<void(ContainerExit)> on_exit) override;
  absl::Status Destroy(const ContainerSpec& spec, absl::Duration timeout) override;

 private:
  absl::StatusOr<RunningContainer> TryStart(const ContainerSpec& spec, absl::Duration timeout);
  absl::Status WriteConfig(const ContainerSpec& spec) const;
  absl::StatusOr<RunningContainer> ReadContainer(const ContainerSpec& spec) const;
  // Why the runtime failed, from its log and the sandbox's counters.
  absl::Status Failure(const ContainerSpec& spec, const ExitStatus& exit) const;

  const OciFlavor flavor_;
  const UniqueFd program_;
  const Shared shared_;
};

}  // namespace paddock::nodeagent
