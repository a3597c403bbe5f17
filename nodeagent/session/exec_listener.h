#pragma once

#include <string>

#include "absl/status/status.h"
#include "nodeagent/init/init_client.h"

namespace paddock::nodeagent {

enum class OutputStream { kStdout, kStderr };

// Who hears what a command does. Calls come one after the other, from threads of the exec service;
// they must not block. Exactly one of OnExited and OnFailed comes, and it is the last.
class ExecListener {
 public:
  virtual ~ExecListener() = default;
  virtual void OnStarted(int pid, const std::string& exec_id) = 0;
  // The next output comes only after ExecProcess::ReadyForOutput: what the listener doesn't take
  // waits in the pipe and holds the command.
  virtual void OnOutput(OutputStream stream, std::string data) = 0;
  // There is room for more input.
  virtual void OnReadyForStdin() = 0;
  virtual void OnExited(const ExecExit& exit) = 0;
  virtual void OnFailed(const absl::Status& status) = 0;
};

}  // namespace paddock::nodeagent
