#include "nodeagent/net/ipv4.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {

absl::StatusOr<uint32_t> ParseIpv4(absl::string_view text) {
  in_addr address;
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not an IPv4 address"));
  }
  return ntohl(address.s_addr);
}

std::string FormatIpv4(uint32_t address) {
  return absl::StrCat(address >> 24, ".", (address >> 16) & 255, ".", (address >> 8) & 255, ".",
                      address & 255);
}

uint32_t PrefixMask(int prefix) { return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix); }

absl::StatusOr<Ipv4Range> ParseIpv4Network(absl::string_view text) {
  size_t slash = text.find('/');
  PADDOCK_ASSIGN_OR_RETURN(uint32_t address, ParseIpv4(text.substr(0, slash)));
  int prefix = 32;
  if (slash != absl::string_view::npos &&
      (!absl::SimpleAtoi(text.substr(slash + 1), &prefix) || prefix < 0 || prefix > 32)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not an IPv4 network"));
  }
  uint32_t mask = PrefixMask(prefix);
  return Ipv4Range{address & mask, address | ~mask};
}

std::string FormatIpv4Range(const Ipv4Range& range) {
  if (range.first == range.last) return FormatIpv4(range.first);
  return absl::StrCat(FormatIpv4(range.first), "-", FormatIpv4(range.last));
}

std::vector<Ipv4Range> MergeRanges(std::vector<Ipv4Range> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Ipv4Range& a, const Ipv4Range& b) { return a.first < b.first; });
  std::vector<Ipv4Range> merged;
  for (const Ipv4Range& range : ranges) {
    bool touches = !merged.empty() && uint64_t{merged.back().last} + 1 >= range.first;
    if (touches) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

std::vector<Ipv4Range> SubtractRanges(std::vector<Ipv4Range> from, std::vector<Ipv4Range> taken) {
  taken = MergeRanges(std::move(taken));
  std::vector<Ipv4Range> left;
  for (const Ipv4Range& range : MergeRanges(std::move(from))) {
    uint64_t next = range.first;  // 64 bits: one past the last address must fit.
    for (const Ipv4Range& hole : taken) {
      if (hole.last < next || hole.first > range.last) continue;
      if (hole.first > next) left.push_back({static_cast<uint32_t>(next), hole.first - 1});
      next = uint64_t{hole.last} + 1;
    }
    if (next <= range.last) left.push_back({static_cast<uint32_t>(next), range.last});
  }
  return left;
}

}  // namespace paddock::nodeagent
