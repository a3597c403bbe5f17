#pragma once

#include <functional>
#include <string>
#include <utility>

#include "nodeagent/api/directory_listing.h"
#include "nodeagent/api/file_exec.h"
#include "paddock/internal/v1/node.pb.h"

namespace paddock::nodeagent {

// One ListDirectory call. Bounded in entries and bytes, whatever the sandbox sends. Deletes itself
// after `done`.
class ListDirectoryCall final : private FileExec {
 public:
  static void Run(ExecService* service, const internal::v1::NodeListDirectoryRequest& request,
                  v1::ListDirectoryResponse* response,
                  std::function<void(const absl::Status&)> done);

 private:
  ListDirectoryCall(v1::ListDirectoryResponse* response,
                    std::function<void(const absl::Status&)> done)
      : response_(response), listing_(response), done_(std::move(done)) {}

  void OnData(std::string data) override;
  void OnEnd(const absl::Status& status) override;

  v1::ListDirectoryResponse* const response_;
  DirectoryListing listing_;
  const std::function<void(const absl::Status&)> done_;
  absl::Status parsed_;
};

}  // namespace paddock::nodeagent
