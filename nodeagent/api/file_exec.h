#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/session/exec_service.h"

namespace paddock::nodeagent {

// A file command inside a session (nodeagent/init/files.h), as a listener that knows what its end
// means. Calls come as ExecListener promises. Subclasses take the output and hear the end.
class FileExec : public ExecListener {
 public:
  // Longest that a file command may take; what is larger goes in pieces (offset, limit).
  static constexpr absl::Duration kTimeout = absl::Minutes(30);

  // Starts it; an error means that nothing follows. Not owned by the exec: this must live until
  // OnEnd, and may be gone before this returns OK.
  absl::Status Begin(ExecService* service, const std::string& session_id, int64_t generation,
                     ExecSpec spec, const std::string& path);
  // Ends it, also one that hasn't begun yet. Nothing if it is over.
  void Abandon(const absl::Status& status);
  // null before Begin.
  std::shared_ptr<ExecProcess> process();

 protected:
  virtual void OnData(std::string data) = 0;
  // Last. OK: the command succeeded.
  virtual void OnEnd(const absl::Status& status) = 0;

 private:
  void OnStarted(int pid, const std::string& exec_id) override {}
  void OnOutput(OutputStream stream, std::string data) final;
  void OnReadyForStdin() override {}  // For those that write nothing.
  void OnExited(const ExecExit& exit) final;
  void OnFailed(const absl::Status& status) final { OnEnd(status); }

  std::string path_;
  std::string stderr_;
  absl::Mutex mutex_;
  std::shared_ptr<ExecProcess> process_ ABSL_GUARDED_BY(mutex_);
  absl::Status abandoned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
