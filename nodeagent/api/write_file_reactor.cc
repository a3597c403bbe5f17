#include "nodeagent/api/write_file_reactor.h"

#include <utility>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"
#include "nodeagent/init/files.h"

namespace paddock::nodeagent {

WriteFileReactor::WriteFileReactor(const absl::Status& admitted, ExecService* service,
                                   v1::WriteFileResponse* response,
                                   std::function<void(absl::StatusCode)> on_done)
    : service_(service), response_(response), on_done_(std::move(on_done)) {
  if (admitted.ok()) {
    StartRead(&request_);
  } else {
    OnEnd(admitted);
  }
}

void WriteFileReactor::OnReadDone(bool ok) {
  const bool started = process() != nullptr;
  if (!ok) {
    if (!started) return OnEnd(errors::InvalidField("start", "must come first"));
    all_read_ = true;
    return FindOutWhetherClientIsThere();
  }
  if (!started) {
    // Input waits in the exec until the command has started.
    const absl::Status status = HandleStart();
    if (!status.ok()) return OnEnd(status);
    StartRead(&request_);
  } else if (request_.write().has_start()) {
    Abandon(errors::InvalidField("start", "must come once"));
  } else {
    SendData(request_.write().data());
  }
}

// A reset of the call ends its reads like a half-close does, but then nothing can be sent. Not
// after Finish, which ends a read that is under way in that manner, too, and has sent the metadata.
void WriteFileReactor::FindOutWhetherClientIsThere() {
  absl::MutexLock lock(&mutex_);
  if (!finished_) StartSendInitialMetadata();
}

absl::Status WriteFileReactor::HandleStart() {
  if (!request_.write().has_start()) return errors::InvalidField("start", "must come first");
  const v1::WriteFileStart& start = request_.write().start();
  if (start.mode() > 07777) {
    return errors::InvalidField("start.mode", "must be permission bits, at most 07777");
  }
  PADDOCK_ASSIGN_OR_RETURN(ExecSpec spec, WriteFileCommand(start.path(), start.mode()));
  return Begin(service_, start.session_id(), request_.generation(), std::move(spec), start.path());
}

void WriteFileReactor::SendData(const std::string& data) {
  // An empty frame would be the end mark.
  if (data.empty()) return StartRead(&request_);
  total_ += static_cast<int64_t>(data.size());
  std::string frame = WriteFrame(data.size());
  frame.append(data);
  process()->WriteStdin(std::move(frame));
}

void WriteFileReactor::OnReadyForStdin() {
  if (!all_read_) StartRead(&request_);
}

void WriteFileReactor::OnSendInitialMetadataDone(bool ok) {
  if (!ok) return Abandon(errors::Cancelled());
  process()->WriteStdin(WriteEnd(static_cast<uint64_t>(total_)));
  process()->CloseStdin();
}

void WriteFileReactor::OnEnd(const absl::Status& status) {
  if (status.ok()) response_->set_size_bytes(total_);
  code_ = status.code();
  {
    absl::MutexLock lock(&mutex_);
    finished_ = true;
  }
  Finish(ToGrpcStatus(status));
}

void WriteFileReactor::OnCancel() { Abandon(errors::Cancelled()); }

void WriteFileReactor::OnDone() {
  if (on_done_) on_done_(code_);
  delete this;
}

}  // namespace paddock::nodeagent
