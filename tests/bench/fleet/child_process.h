#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paddock::bench {

// A program that runs until this object ends (SIGTERM, then SIGKILL), and no longer than the
// process that started it. Its output goes to a file. Movable, not thread-safe.
class ChildProcess {
 public:
  using Environment = std::map<std::string, std::string>;

  // `environment` is added to this process's own.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& command,
                                            const Environment& environment, std::string output);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() { End(); }

  // Until its output holds a line that contains `text`. ABORTED when it ends before.
  absl::Status WaitForOutput(absl::string_view text, absl::Duration timeout);
  // Until it ends by itself, with exit code 0; its output.
  absl::StatusOr<std::string> WaitForEnd();
  void End();
  pid_t pid() const { return pid_; }

 private:
  ChildProcess(pid_t pid, std::string output) : pid_(pid), output_(std::move(output)) {}
  std::string Output() const;

  pid_t pid_;
  std::string output_;
};

}  // namespace paddock::bench
