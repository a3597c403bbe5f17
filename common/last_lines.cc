#include "common/last_lines.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace paddock {
namespace {

constexpr absl::string_view kEllipsis = "…";

bool ContinuesACharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

std::string LastLines(absl::string_view text, size_t max_bytes) {
  text = absl::StripTrailingAsciiWhitespace(text);
  if (text.size() <= max_bytes) return std::string(text);
  // The line break before the first whole line that fits may lie just outside.
  const size_t line_break = text.find('\n', text.size() - max_bytes - 1);
  if (line_break != absl::string_view::npos) return std::string(text.substr(line_break + 1));
  if (max_bytes < kEllipsis.size()) return "";
  size_t begin = text.size() - (max_bytes - kEllipsis.size());
  while (begin < text.size() && ContinuesACharacter(text[begin])) ++begin;
  return absl::StrCat(kEllipsis, text.substr(begin));
}

}  // namespace paddock
