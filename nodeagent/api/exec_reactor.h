#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/session/exec_service.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// One Exec call. It reads the next request only when there is room for input, and asks the command
// for more output only when the last was written, so neither side can grow the agent's memory.
// Deletes itself when the call is over.
class ExecReactor final
    : public grpc::ServerBidiReactor<internal::v1::NodeExecRequest, v1::ExecResponse>,
      public ExecListener {
 public:
  // `on_done` hears the final code.
  ExecReactor(ExecService* service, std::function<void(absl::StatusCode)> on_done);
  // Ends the call before anything was read.
  static ExecReactor* Refuse(const absl::Status& status,
                             std::function<void(absl::StatusCode)> on_done);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void OnStarted(int pid, const std::string& exec_id) override;
  void OnOutput(OutputStream stream, std::string data) override;
  void OnReadyForStdin() override;
  void OnExited(const ExecExit& exit) override;
  void OnFailed(const absl::Status& status) override;

 private:
  ExecReactor() = default;

  void HandleStart();
  void HandleNext();
  std::shared_ptr<ExecProcess> process();
  // Writes now, or when what is under way is written.
  void Write(v1::ExecResponse response);
  void FinishWith(const absl::Status& status, bool with_last_write);
  // Begins the next operation. Unlocks first: the last one may delete this from another thread.
  void ContinueAndUnlock() ABSL_UNLOCK_FUNCTION(mutex_);

  ExecService* service_ = nullptr;
  std::function<void(absl::StatusCode)> on_done_;
  internal::v1::NodeExecRequest request_;  // Of the one read under way.

  absl::Mutex mutex_;
  std::shared_ptr<ExecProcess> process_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  // The front is being written.
  std::deque<v1::ExecResponse> writes_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool owes_ready_ ABSL_GUARDED_BY(mutex_) = false;  // The command waits for ReadyForOutput.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_is_response_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
