#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Where a resolver listens.
struct ResolverAddress {
  sockaddr_storage address = {};
  socklen_t size = 0;
};

// The name servers of a resolv.conf, at most three as in the C library; what can't be parsed is
// left out. Pure.
std::vector<ResolverAddress> ParseResolvConf(absl::string_view text);

// A file that is read again when it changed, also when it is replaced or a link to another. Not
// thread-safe.
class WatchedFile {
 public:
  explicit WatchedFile(std::string path) : path_(std::move(path)) {}
  // Whether the file differs from when this was last called; true at the first call. Its coming and
  // going are changes.
  bool Changed();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool first_ = true;
  bool exists_ = false;
  struct stat last_ = {};
};

}  // namespace paddock::nodeagent
