#include "nodeagent/egress/dns_name.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kMaxLabel = 63;
constexpr uint8_t kPointer = 0xc0;

}  // namespace

void AppendDnsLabel(absl::string_view label, std::string* name) {
  if (!name->empty()) name->push_back('.');
  for (char c : label) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '_') {
      name->push_back(absl::ascii_tolower(c));
    } else {
      int value = static_cast<uint8_t>(c);
      absl::StrAppend(name, "\\", value / 100, value / 10 % 10, value % 10);
    }
  }
}

bool ReadDnsName(absl::string_view packet, size_t* offset, std::string* name) {
  name->clear();
  size_t at = *offset;
  size_t lowest = at;  // Where this part of the name begins: pointers lead before it.
  size_t size = 1;
  bool jumped = false;
  while (at < packet.size()) {
    size_t length = static_cast<uint8_t>(packet[at++]);
    if (length >= kPointer) {
      if (at == packet.size()) return false;
      if (!jumped) *offset = at + 1;
      jumped = true;
      size_t target = (length & ~size_t{kPointer}) << 8 | static_cast<uint8_t>(packet[at]);
      if (target >= lowest) return false;
      at = lowest = target;
      continue;
    }
    if (length == 0) {
      if (!jumped) *offset = at;
      return true;
    }
    size += 1 + length;
    if (length > kMaxLabel || size > kMaxName || packet.size() - at < length) return false;
    AppendDnsLabel(packet.substr(at, length), name);
    at += length;
  }
  return false;
}

}  // namespace paddock::nodeagent
