#include "nodeagent/egress/request_line.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::string_view kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                          "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"};
constexpr absl::string_view kBlanks = " \t\v\f\r\x1c\x1d\x1e\x1f\x85\xa0";
constexpr absl::string_view kForeignVersions[] = {"rtsp/", "ice/"};

bool IsTarget(absl::string_view word) {
  return word.front() == '/' || word == "*" || absl::StrContains(word, "://");
}

}  // namespace

bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(c) || absl::StrContains("!#$%&'*+-.^_`|~", c);
}

bool IsBlank(char c) { return absl::StrContains(kBlanks, c); }

absl::string_view SkipBlank(absl::string_view bytes) {
  size_t start = 0;
  while (start < bytes.size() && (bytes[start] == '\n' || IsBlank(bytes[start]))) ++start;
  return bytes.substr(start);
}

bool IsMethod(absl::string_view word) {
  return std::any_of(std::begin(kMethods), std::end(kMethods), [&](absl::string_view method) {
    return absl::EqualsIgnoreCase(method, word);
  });
}

bool MayBecomeMethod(absl::string_view word) {
  return std::any_of(std::begin(kMethods), std::end(kMethods), [&](absl::string_view method) {
    return absl::StartsWithIgnoreCase(method, word);
  });
}

bool HasHttpVersion(absl::string_view text) {
  return absl::StrContains(absl::AsciiStrToLower(text), kHttpVersion);
}

bool IsOldOrForeignRequest(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(kBlanks), absl::SkipEmpty());
  if (words.size() < 2 || words.size() > 3 || !IsTarget(words[1])) return false;
  if (!std::all_of(words[0].begin(), words[0].end(), IsTokenCharacter)) return false;
  return words.size() == 2 || std::any_of(std::begin(kForeignVersions), std::end(kForeignVersions),
                                          [&](absl::string_view version) {
                                            return absl::StartsWithIgnoreCase(words[2], version);
                                          });
}

}  // namespace paddock::nodeagent
