#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nodeagent/api/file_exec.h"
#include "nodeagent/init/list_parser.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// One ListDirectory call. Bounded in entries and bytes, whatever the sandbox sends. Deletes itself
// after `done`.
class ListDirectoryCall final : private FileExec {
 public:
  static constexpr size_t kMaxEntries = 10'000;
  // Below the message limit of 4 MiB.
  static constexpr size_t kMaxBytes = 3 * 1024 * 1024;

  static void Run(ExecService* service, const internal::v1::NodeListDirectoryRequest& request,
                  v1::ListDirectoryResponse* response,
                  std::function<void(const absl::Status&)> done);

 private:
  ListDirectoryCall(v1::ListDirectoryResponse* response,
                    std::function<void(const absl::Status&)> done)
      : response_(response), done_(std::move(done)) {}

  void OnData(std::string data) override;
  void OnEnd(const absl::Status& status) override;
  absl::Status Take(const std::string& data);

  v1::ListDirectoryResponse* const response_;
  const std::function<void(const absl::Status&)> done_;
  ListParser parser_{kMaxEntries + 1};
  size_t bytes_ = 0;
  absl::Status parsed_;
};

}  // namespace paddock::nodeagent
