#include "common/utf8.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace paddock {
namespace {

struct Lead {
  int length;
  uint32_t bits;
  uint32_t minimum;
};

Lead ParseLead(unsigned char byte) {
  if (byte < 0x80) return {1, byte, 0};
  if (byte >= 0xc2 && byte < 0xe0) return {2, byte & 0x1fu, 0x80};
  if (byte >= 0xe0 && byte < 0xf0) return {3, byte & 0x0fu, 0x800};
  if (byte >= 0xf0 && byte < 0xf5) return {4, byte & 0x07u, 0x10000};
  return {0, 0, 0};
}

}  // namespace

std::optional<uint32_t> ConsumeCodePoint(absl::string_view* text) {
  if (text->empty()) return std::nullopt;
  const Lead lead = ParseLead(static_cast<unsigned char>(text->front()));
  if (lead.length == 0 || text->size() < static_cast<size_t>(lead.length)) return std::nullopt;
  uint32_t code_point = lead.bits;
  for (int i = 1; i < lead.length; ++i) {
    const auto byte = static_cast<unsigned char>((*text)[i]);
    if ((byte & 0xc0) != 0x80) return std::nullopt;
    code_point = code_point << 6 | (byte & 0x3fu);
  }
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < lead.minimum || surrogate || code_point > 0x10ffff) return std::nullopt;
  text->remove_prefix(lead.length);
  return code_point;
}

std::optional<size_t> CountCodePoints(absl::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) {
    if (!ConsumeCodePoint(&text).has_value()) return std::nullopt;
  }
  return count;
}

bool IsControl(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

bool IsWhiteSpace(uint32_t code_point) {
  return (code_point >= 0x09 && code_point <= 0x0d) || code_point == 0x20 || code_point == 0x85 ||
         code_point == 0xa0 || code_point == 0x1680 ||
         (code_point >= 0x2000 && code_point <= 0x200a) || code_point == 0x2028 ||
         code_point == 0x2029 || code_point == 0x202f || code_point == 0x205f ||
         code_point == 0x3000;
}

std::string Quote(absl::string_view text, size_t max_code_points) {
  std::string quoted = "\"";
  for (size_t count = 0; !text.empty(); ++count) {
    if (count == max_code_points) {
      quoted += "…";
      break;
    }
    const absl::string_view before = text;
    const auto code_point = ConsumeCodePoint(&text);
    if (!code_point.has_value()) {
      quoted += "\uFFFD";
      text.remove_prefix(1);
    } else if (*code_point == '"' || *code_point == '\\') {
      absl::StrAppend(&quoted, "\\", before.substr(0, 1));
    } else if (IsControl(*code_point)) {
      absl::StrAppendFormat(&quoted, "\\u%04x", *code_point);
    } else {
      absl::StrAppend(&quoted, before.substr(0, before.size() - text.size()));
    }
  }
  return quoted + "\"";
}

}  // namespace paddock
