#pragma once

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/init/init_client.h"

namespace paddock::nodeagent {

// A command behind its own connection to PID 1; exit_fd() is that connection. Thread-safe.
class SocketExecHandle : public ExecHandle {
 public:
  // `terminal` is a duplicate of the command's (invalid without one): the terminal hangs up only
  // when this handle is gone, too.
  SocketExecHandle(UniqueFd connection, UniqueFd terminal, int pid)
      : connection_(std::move(connection)), terminal_(std::move(terminal)), pid_(pid) {}

  int pid() const override { return pid_; }
  // To the process group of the command, with a terminal to its foreground group. UNAVAILABLE when
  // the command has ended; not an error when it ends while the signal is on its way.
  absl::Status Signal(int signal) override;
  absl::Status Resize(int rows, int cols) override;
  int exit_fd() const override { return connection_.get(); }
  // FAILED_PRECONDITION while it runs. The first answer is repeated.
  absl::StatusOr<ExecExit> TakeExit() override;

 private:
  absl::StatusOr<ExecExit> ReceiveExit();

  const UniqueFd connection_;
  const UniqueFd terminal_;
  const int pid_;
  absl::Mutex mutex_;
  std::optional<absl::StatusOr<ExecExit>> exit_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
