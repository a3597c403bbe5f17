#include "nodeagent/api/read_file_reactor.h"

#include <utility>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"
#include "nodeagent/init/files.h"

namespace paddock::nodeagent {

ReadFileReactor::ReadFileReactor(const absl::Status& admitted, ExecService* service,
                                 const internal::v1::NodeReadFileRequest& request,
                                 std::function<void(absl::StatusCode)> on_done)
    : on_done_(std::move(on_done)) {
  const absl::Status status = admitted.ok() ? Start(service, request) : admitted;
  // After a start that worked the call may be over already; nothing of this is touched any more.
  if (!status.ok()) OnEnd(status);
}

absl::Status ReadFileReactor::Start(ExecService* service,
                                    const internal::v1::NodeReadFileRequest& request) {
  const v1::ReadFileRequest& read = request.read();
  PADDOCK_ASSIGN_OR_RETURN(const ExecSpec spec,
                           ReadFileCommand(read.path(), read.offset(), read.limit()));
  return Begin(service, read.session_id(), request.generation(), spec, read.path());
}

void ReadFileReactor::OnData(std::string data) {
  response_.set_data(std::move(data));
  {
    absl::MutexLock lock(&mutex_);
    writing_ = true;
  }
  StartWrite(&response_);
}

void ReadFileReactor::OnWriteDone(bool ok) {
  bool ended;
  grpc::Status status;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    ended = ended_;
    status = ToGrpcStatus(final_);
  }
  if (ended) return Finish(status);
  process()->ReadyForOutput();
}

void ReadFileReactor::OnEnd(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    final_ = status;
    if (writing_) return;
  }
  Finish(ToGrpcStatus(status));
}

void ReadFileReactor::OnCancel() { Abandon(errors::Cancelled()); }

void ReadFileReactor::OnDone() {
  absl::StatusCode code;
  {
    absl::MutexLock lock(&mutex_);
    code = final_.code();
  }
  if (on_done_) on_done_(code);
  delete this;
}

}  // namespace paddock::nodeagent
