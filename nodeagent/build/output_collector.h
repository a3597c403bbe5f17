#pragma once

#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/session/exec_listener.h"

namespace paddock::nodeagent {

// Hands what one command does to a thread that waits for it. It holds one chunk of output; the
// command waits meanwhile. Thread-safe.
class OutputCollector : public ExecListener {
 public:
  struct Event {
    // One of them: output, the end, or neither when the time was over.
    std::optional<std::string> output;
    OutputStream stream = OutputStream::kStdout;
    std::optional<absl::StatusOr<ExecExit>> end;
  };
  // Waits at most `patience`. After output, ExecProcess::ReadyForOutput brings more.
  Event Next(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mutex_);

  void OnStarted(int pid, const std::string& exec_id) override {}
  void OnOutput(OutputStream stream, std::string data) override;
  void OnReadyForStdin() override {}
  void OnExited(const ExecExit& exit) override;
  void OnFailed(const absl::Status& status) override;

 private:
  bool HasNext() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return output_.has_value() || end_.has_value();
  }

  absl::Mutex mutex_;
  std::optional<std::string> output_ ABSL_GUARDED_BY(mutex_);
  OutputStream stream_ ABSL_GUARDED_BY(mutex_) = OutputStream::kStdout;
  std::optional<absl::StatusOr<ExecExit>> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
