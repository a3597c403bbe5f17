#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "nodeagent/api/file_exec.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// One ReadFile call: the file command's output, a chunk at a time as the client takes it. Deletes
// itself when the call is over.
class ReadFileReactor final : public grpc::ServerWriteReactor<v1::ReadFileResponse>,
                              private FileExec {
 public:
  // With an error in `admitted` nothing is started.
  ReadFileReactor(const absl::Status& admitted, ExecService* service,
                  const internal::v1::NodeReadFileRequest& request,
                  std::function<void(absl::StatusCode)> on_done);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void OnData(std::string data) override;
  void OnEnd(const absl::Status& status) override;
  absl::Status Start(ExecService* service, const internal::v1::NodeReadFileRequest& request);

  const std::function<void(absl::StatusCode)> on_done_;
  v1::ReadFileResponse response_;  // Of the one write under way.
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
