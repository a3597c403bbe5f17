#include "nodeagent/api/file_exec.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"
#include "nodeagent/init/files.h"

namespace paddock::nodeagent {

absl::Status FileExec::Begin(ExecService* service, const std::string& session_id,
                             int64_t generation, ExecSpec spec, const std::string& path) {
  path_ = path;
  PADDOCK_ASSIGN_OR_RETURN(
      const std::shared_ptr<ExecProcess> process,
      service->Create(session_id, generation, std::move(spec), kTimeout,
                      std::shared_ptr<ExecListener>(std::shared_ptr<void>(), this)));
  absl::Status abandoned;
  {
    absl::MutexLock lock(&mutex_);
    process_ = process;
    abandoned = abandoned_;
  }
  if (abandoned.ok()) {
    service->Launch(session_id, process);
  } else {
    process->Cancel(abandoned);
  }
  return absl::OkStatus();
}

void FileExec::Abandon(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (abandoned_.ok()) abandoned_ = status;
  }
  if (const std::shared_ptr<ExecProcess> exec = process(); exec != nullptr) exec->Cancel(status);
}

std::shared_ptr<ExecProcess> FileExec::process() {
  absl::MutexLock lock(&mutex_);
  return process_;
}

void FileExec::OnOutput(OutputStream stream, std::string data) {
  if (stream == OutputStream::kStdout) return OnData(std::move(data));
  stderr_.append(data, 0, kMaxFileErrorBytes - std::min(stderr_.size(), kMaxFileErrorBytes));
  process()->ReadyForOutput();
}

void FileExec::OnExited(const ExecExit& exit) { OnEnd(FileCommandStatus(exit, stderr_, path_)); }

}  // namespace paddock::nodeagent
