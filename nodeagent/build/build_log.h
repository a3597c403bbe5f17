#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Makes lines of what a build's commands write, and remembers the last ones. Bounded, whatever they
// write: long lines are cut, and past kMaxBytes lines are only remembered. Not thread-safe.
class BuildLog {
 public:
  static constexpr size_t kMaxLine = 4096;
  static constexpr size_t kMaxBytes = 8 << 20;
  static constexpr size_t kTailLines = 60;
  static constexpr size_t kTailBytes = 8192;

  enum class Stream { kStdout = 0, kStderr = 1 };

  // The whole lines that are there now. A carriage return ends one too; empty lines are dropped.
  std::vector<std::string> Add(Stream stream, absl::string_view data);
  // What is left without an end of line.
  std::vector<std::string> Flush();
  // The last lines, at most kTailBytes.
  std::string Tail() const;

 private:
  void End(std::string* line, std::vector<std::string>* out);

  std::string open_[2];
  std::deque<std::string> tail_;
  size_t given_ = 0;
};

}  // namespace paddock::nodeagent
