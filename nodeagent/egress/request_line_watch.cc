#include "nodeagent/egress/request_line_watch.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/egress/request_line.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kWatched = 4096;
// The longest method and the blank behind it.
constexpr size_t kBegin = 8;
constexpr size_t kBeforeSlash = kHttpVersion.size() - 1;

}  // namespace

size_t RequestLineWatch::Feed(absl::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size() && !done()) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    const absl::string_view part = bytes.substr(at, end - at);
    const absl::string_view text = begin_.empty() ? SkipBlank(part) : part;
    begin_.append(text.data(), std::min(text.size(), kBegin - begin_.size()));
    const bool suspect = first_ || BeginsWithMethod();
    const size_t version = suspect ? FindVersion(part) : absl::string_view::npos;
    if (version < part.size()) return at + version;
    absl::StrAppend(&last_, part.substr(part.size() - std::min(part.size(), kBeforeSlash)));
    last_.erase(0, last_.size() - std::min(last_.size(), kBeforeSlash));
    seen_ += part.size();
    at = end;
    if (at < bytes.size()) {
      first_ = first_ && begin_.empty();
      begin_.clear();
      last_.clear();
      ++seen_;
      ++at;
    }
    // Not in the middle of a line that is suspect yet, so that the pieces don't matter.
    far_ = seen_ > kWatched && (begin_.empty() || (begin_.size() == kBegin && !BeginsWithMethod()));
  }
  return bytes.size();
}

bool RequestLineWatch::done() const { return !first_ && (answered_ || far_); }

size_t RequestLineWatch::FindVersion(absl::string_view part) const {
  for (size_t slash = part.find('/'); slash < part.size(); slash = part.find('/', slash + 1)) {
    const size_t start = slash - std::min(slash, kBeforeSlash);
    const std::string before = absl::StrCat(last_, part.substr(start, slash - start));
    if (absl::EndsWithIgnoreCase(before, kHttpVersion.substr(0, kBeforeSlash))) return slash;
  }
  return absl::string_view::npos;
}

bool RequestLineWatch::BeginsWithMethod() const {
  const auto blank = std::find_if(begin_.begin(), begin_.end(), IsBlank);
  return blank != begin_.end() && IsMethod(std::string(begin_.begin(), blank));
}

}  // namespace paddock::nodeagent
