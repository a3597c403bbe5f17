#include "nodeagent/api/exec_reactor.h"

#include <utility>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "nodeagent/api/conversions.h"

namespace paddock::nodeagent {

ExecReactor::ExecReactor(ExecService* service, std::function<void(absl::StatusCode)> on_done)
    : service_(service), on_done_(std::move(on_done)) {
  StartRead(&request_);
}

ExecReactor* ExecReactor::Refuse(const absl::Status& status,
                                 std::function<void(absl::StatusCode)> on_done) {
  auto* reactor = new ExecReactor;
  reactor->on_done_ = std::move(on_done);
  reactor->FinishWith(status, /*with_last_write=*/false);
  return reactor;
}

std::shared_ptr<ExecProcess> ExecReactor::process() {
  absl::MutexLock lock(&mutex_);
  return process_;
}

void ExecReactor::OnReadDone(bool ok) {
  if (process() == nullptr) {
    if (!ok) return FinishWith(errors::InvalidField("start", "must come first"), false);
    return HandleStart();
  }
  // The client's half-close; a cancelled call is told by OnCancel too, and then this changes
  // nothing.
  if (!ok) return process()->CloseStdin();
  HandleNext();
}

void ExecReactor::HandleStart() {
  if (!request_.exec().has_start()) {
    return FinishWith(errors::InvalidField("start", "must come first"), false);
  }
  const v1::ExecStart& start = request_.exec().start();
  const auto spec = ExecSpecFromProto(start);
  if (!spec.ok()) return FinishWith(spec.status(), false);
  const auto timeout = ExecTimeoutFromProto(start);
  if (!timeout.ok()) return FinishWith(timeout.status(), false);
  // Not owned: the last thing that the listener hears ends the call, and only then this goes.
  std::shared_ptr<ExecListener> listener(std::shared_ptr<void>(), this);
  auto process = service_->Create(start.session_id(), request_.generation(), *spec, *timeout,
                                  std::move(listener));
  if (!process.ok()) return FinishWith(process.status(), false);
  bool cancelled;
  {
    absl::MutexLock lock(&mutex_);
    process_ = *process;
    cancelled = cancelled_;
  }
  // From Launch or Cancel on, the call may end and this be gone at any time.
  if (cancelled) return (*process)->Cancel(errors::Cancelled());
  service_->Launch(start.session_id(), *process);
}

void ExecReactor::HandleNext() {
  const std::shared_ptr<ExecProcess> exec = process();
  v1::ExecRequest& request = *request_.mutable_exec();
  switch (request.request_case()) {
    case v1::ExecRequest::kStdin:
      // The next read comes with OnReadyForStdin.
      return exec->WriteStdin(std::move(*request.mutable_stdin()));
    case v1::ExecRequest::kCloseStdin:
      exec->CloseStdin();
      break;
    case v1::ExecRequest::kResize:
      (void)exec
          ->Resize(static_cast<int>(request.resize().rows()),
                   static_cast<int>(request.resize().cols()))
          .ok();
      break;
    case v1::ExecRequest::kSignal:
      if (request.signal() < 1 || request.signal() > 64) {
        return exec->Cancel(errors::InvalidField("signal", "must be 1 to 64"));
      }
      (void)exec->Signal(request.signal()).ok();
      break;
    case v1::ExecRequest::kStart:
      return exec->Cancel(errors::InvalidField("start", "must come once"));
    case v1::ExecRequest::REQUEST_NOT_SET:
      return exec->Cancel(errors::InvalidField("request", "must be set"));
  }
  StartRead(&request_);
}

void ExecReactor::OnStarted(int pid, const std::string& exec_id) {
  v1::ExecResponse response;
  response.mutable_started()->set_pid(pid);
  response.mutable_started()->set_exec_id(exec_id);
  Write(std::move(response));
  StartRead(&request_);
}

void ExecReactor::OnReadyForStdin() { StartRead(&request_); }

void ExecReactor::OnOutput(OutputStream stream, std::string data) {
  v1::ExecResponse response;
  if (stream == OutputStream::kStdout) {
    response.set_stdout(std::move(data));
  } else {
    response.set_stderr(std::move(data));
  }
  {
    absl::MutexLock lock(&mutex_);
    owes_ready_ = true;
  }
  Write(std::move(response));
}

void ExecReactor::OnExited(const ExecExit& exit) {
  v1::ExecResponse response;
  response.mutable_exited()->set_code(exit.signal != 0 ? 128 + exit.signal : exit.code);
  response.mutable_exited()->set_signal(exit.signal);
  {
    absl::MutexLock lock(&mutex_);
    writes_.push_back(std::move(response));
  }
  FinishWith(absl::OkStatus(), /*with_last_write=*/true);
}

void ExecReactor::OnFailed(const absl::Status& status) {
  // What has a reason is the time-out that was asked for; without one, the sandbox was too slow.
  const bool timed_out = ReasonOf(status) == ErrorReason::kDeadlineExceeded;
  FinishWith(
      timed_out ? errors::DeadlineExceeded("the command ran longer than start.timeout") : status,
      /*with_last_write=*/false);
}

void ExecReactor::Write(v1::ExecResponse response) {
  mutex_.Lock();
  writes_.push_back(std::move(response));
  ContinueAndUnlock();
}

void ExecReactor::FinishWith(const absl::Status& status, bool with_last_write) {
  mutex_.Lock();
  if (!ending_) {
    ending_ = true;
    final_ = status;
    last_is_response_ = with_last_write;
  }
  ContinueAndUnlock();
}

void ExecReactor::ContinueAndUnlock() {
  if (writing_ || finished_) return mutex_.Unlock();
  // An error doesn't wait for output that nobody has begun to send.
  if (ending_ && (!last_is_response_ || writes_.empty())) {
    finished_ = true;
    const grpc::Status status = ToGrpcStatus(final_);
    mutex_.Unlock();
    return Finish(status);
  }
  if (writes_.empty()) return mutex_.Unlock();
  writing_ = true;
  const v1::ExecResponse* const response = &writes_.front();
  const bool last = ending_ && writes_.size() == 1;
  finished_ = last;
  const grpc::Status status = ToGrpcStatus(final_);
  mutex_.Unlock();
  if (last) {
    StartWriteAndFinish(response, grpc::WriteOptions(), status);
  } else {
    StartWrite(response);
  }
}

void ExecReactor::OnWriteDone(bool ok) {
  std::shared_ptr<ExecProcess> ready;
  mutex_.Lock();
  writing_ = false;
  writes_.pop_front();
  if (!ok) writes_.clear();  // The client is gone; OnCancel says so.
  if (writes_.empty() && std::exchange(owes_ready_, false)) ready = process_;
  ContinueAndUnlock();
  if (ready != nullptr) ready->ReadyForOutput();
}

void ExecReactor::OnCancel() {
  std::shared_ptr<ExecProcess> exec;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    exec = process_;
  }
  if (exec != nullptr) exec->Cancel(errors::Cancelled());
}

void ExecReactor::OnDone() {
  absl::StatusCode code;
  {
    absl::MutexLock lock(&mutex_);
    code = final_.code();
  }
  if (on_done_) on_done_(code);
  delete this;
}

}  // namespace paddock::nodeagent
