#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/api/file_exec.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// One WriteFile call. The file command makes the file only after an end mark, which is sent when
// the client has closed its side and hasn't gone away: so a broken upload leaves nothing. Deletes
// itself when the call is over.
class WriteFileReactor final : public grpc::ServerReadReactor<internal::v1::NodeWriteFileRequest>,
                               private FileExec {
 public:
  // With an error in `admitted` nothing is read.
  WriteFileReactor(const absl::Status& admitted, ExecService* service,
                   v1::WriteFileResponse* response, std::function<void(absl::StatusCode)> on_done);

  void OnReadDone(bool ok) override;
  void OnSendInitialMetadataDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void OnData(std::string data) override { process()->ReadyForOutput(); }
  void OnReadyForStdin() override;
  void OnEnd(const absl::Status& status) override;
  absl::Status HandleStart();
  void FindOutWhetherClientIsThere();
  void SendData(const std::string& data);

  ExecService* const service_;
  v1::WriteFileResponse* const response_;
  const std::function<void(absl::StatusCode)> on_done_;
  internal::v1::NodeWriteFileRequest request_;  // Of the one read under way.
  int64_t total_ = 0;
  absl::StatusCode code_ = absl::StatusCode::kOk;
  std::atomic<bool> all_read_{false};
  absl::Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paddock::nodeagent
