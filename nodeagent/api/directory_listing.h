#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "nodeagent/init/list_parser.h"
#include "paddock/v1/session.pb.h"

namespace paddock::nodeagent {

// Makes an answer of what `list` writes in a sandbox, as it comes: so many entries, and what is
// beyond them says `truncated`. Not thread-safe; owns nothing of the answer.
class DirectoryListing {
 public:
  static constexpr size_t kMaxEntries = 10'000;
  // Below the message limit of 4 MiB.
  static constexpr size_t kMaxBytes = 3 * 1024 * 1024;

  // `response` must outlive this.
  explicit DirectoryListing(v1::ListDirectoryResponse* response) : response_(response) {}

  // INTERNAL when malformed. Once the answer is truncated, the rest isn't wanted.
  absl::Status Take(const std::string& data);
  bool truncated() const { return response_->truncated(); }
  // Whether the list's end has come.
  bool finished() const { return parser_.finished(); }

 private:
  v1::ListDirectoryResponse* const response_;
  // One more, which tells that there are more.
  ListParser parser_{kMaxEntries + 1};
  size_t bytes_ = 0;
};

}  // namespace paddock::nodeagent
