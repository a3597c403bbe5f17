#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace paddock::bench {

// The baseline: an OCI runtime run by hand on the same root file system, with the configuration
// that its own `spec` command writes. Owns its bundle directory and the containers that it started.
class BareRuntime {
 public:
  // Makes a bundle for `rootfs` in a temporary directory.
  static absl::StatusOr<BareRuntime> Create(const std::string& runtime, const std::string& rootfs);
  BareRuntime(BareRuntime&&) = default;
  ~BareRuntime();

  // `run` of a container that prints one line: from the start of the runtime to that line. The
  // container is gone afterwards.
  absl::StatusOr<absl::Duration> RunToFirstOutput();

  // A container that sleeps, for Exec.
  absl::Status StartSleeper();
  // `exec` of a command that prints one line in the sleeper, to the end of the runtime's process.
  absl::StatusOr<absl::Duration> Exec();
  absl::Status DeleteSleeper();

  // `run` detached of a container that prints one line and waits, then `delete --force`: a whole
  // cycle.
  absl::Status RunAndDelete();

 private:
  BareRuntime(std::string runtime, std::string directory)
      : runtime_(std::move(runtime)), directory_(std::move(directory)) {}
  absl::Status WriteConfig(const std::string& name, const std::vector<std::string>& args,
                           const std::string& rootfs);
  std::string NextId();
  std::vector<std::string> Command(std::vector<std::string> arguments) const;

  std::string runtime_;
  std::string directory_;
  int next_ = 0;
};

// The root file system of the base image of the first agent below a PADDOCK_HOME.
absl::StatusOr<std::string> FindRootfs(const std::string& home);

}  // namespace paddock::bench
