#pragma once

#include <atomic>
#include <cstdint>
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
    UniqueFd init_program;  // The same, sealed: for helpers.
    std::string seccomp_bpf_base64;
    nlohmann::json seccomp_profile;
    bool mount_cgroup = false;
    rlim_t max_open_files = 1024;  // The host's own hard limit; never exceeded.
  };

  // `program` is the flavor's executable, sealed; invalid to execute the file itself.
  OciRuntime(OciFlavor flavor, UniqueFd program, std::shared_ptr<const Shared> shared)
      : flavor_(std::move(flavor)), program_(std::move(program)), shared_(std::move(shared)) {}

  std::string name() const override { return flavor_.name; }
  absl::StatusOr<RunningContainer> Start(const ContainerSpec& spec,
                                         absl::Duration timeout) override;
  bool IsAlive(const RunningContainer& container) override;
  void WatchExit(const RunningContainer& container, const std::string& cgroup,
                 std::function<void(ContainerExit)> on_exit) override;
  absl::Status Destroy(const ContainerSpec& spec, absl::Duration timeout) override;
  bool takes_socket() const override { return flavor_.takes_socket; }
  absl::StatusOr<UniqueFd> ExecHelper(const ContainerSpec& spec, const HelperProcess& helper,
                                      absl::Duration timeout) override;

 private:
  // Runs the plan's command, inside the sandbox's cgroup where the runtime leaves that to us.
  absl::StatusOr<ExitStatus> Execute(const ContainerSpec& spec, LaunchPlan plan);
  absl::StatusOr<RunningContainer> TryStart(const ContainerSpec& spec, absl::Duration timeout);
  absl::Status WriteConfig(const ContainerSpec& spec) const;
  // Sees to it that what the runtime keeps beside PID 1 is reaped when it ends.
  absl::Status ReapOthers(const ContainerSpec& spec, const RunningContainer& container);
  absl::StatusOr<RunningContainer> ReadContainer(const std::string& pid_file) const;
  // Why the runtime failed, from its log and the sandbox's counters.
  absl::Status Failure(const ContainerSpec& spec, const std::string& log_file,
                       const ExitStatus& exit) const;

  const OciFlavor flavor_;
  const UniqueFd program_;
  const std::shared_ptr<const Shared> shared_;
  std::atomic<uint64_t> helpers_{0};  // Names their files.
};

}  // namespace paddock::nodeagent
