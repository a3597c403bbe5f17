#include "nodeagent/build/build_log.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {

std::vector<std::string> BuildLog::Add(Stream stream, absl::string_view data) {
  std::vector<std::string> lines;
  std::string& open = open_[static_cast<size_t>(stream)];
  for (const char c : data) {
    if (c == '\n' || c == '\r') {
      End(&open, &lines);
    } else if (open.size() < kMaxLine) {
      open.push_back(c);
    }
  }
  return lines;
}

std::vector<std::string> BuildLog::Flush() {
  std::vector<std::string> lines;
  for (std::string& open : open_) End(&open, &lines);
  return lines;
}

void BuildLog::End(std::string* line, std::vector<std::string>* out) {
  std::string ended = std::exchange(*line, "");
  absl::StripTrailingAsciiWhitespace(&ended);
  if (ended.empty()) return;
  tail_.push_back(ended);
  if (tail_.size() > kTailLines) tail_.pop_front();
  if (given_ >= kMaxBytes) return;
  given_ += ended.size() + 1;
  out->push_back(std::move(ended));
  if (given_ >= kMaxBytes) {
    out->push_back(
        absl::StrCat("(the log is longer than ", kMaxBytes, " bytes; the rest is left out)"));
  }
}

std::string BuildLog::Tail() const {
  size_t first = tail_.size();
  size_t bytes = 0;
  while (first > 0 && bytes + tail_[first - 1].size() + 1 <= kTailBytes) {
    bytes += tail_[--first].size() + 1;
  }
  std::string text;
  for (size_t i = first; i < tail_.size(); ++i) absl::StrAppend(&text, tail_[i], "\n");
  return text;
}

}  // namespace paddock::nodeagent
