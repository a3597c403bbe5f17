#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Watches what passes as it comes, because it begins as no HTTP request does, for a line that a
// lenient server takes for one all the same; pure, not thread-safe. Such a line's end never passes:
//
// - the first line, however long it is and whatever it is made of, that names a version of HTTP;
// - as long as the server hasn't answered, and within the first 4 KiB, a line that begins with one
//   of HTTP's methods and names a version: a request behind a line that a server may pass over.
class RequestLineWatch {
 public:
  // How many of the bytes may pass. Fewer than all: the next would tell of a request.
  size_t Feed(absl::string_view bytes);
  void SeeServer() { answered_ = true; }
  // Nothing is watched any more: all that follows may pass.
  bool done() const;

 private:
  // Where the version's end stands in `part` of a line; npos if nowhere.
  size_t FindVersion(absl::string_view part) const;
  bool BeginsWithMethod() const;

  bool first_ = true;  // The line is the first one that isn't blank.
  bool answered_ = false;
  bool far_ = false;  // No later line may begin within what is watched.
  size_t seen_ = 0;
  std::string begin_;  // Of the line, without blanks before it.
  std::string last_;   // The line's last bytes.
};

}  // namespace paddock::nodeagent
