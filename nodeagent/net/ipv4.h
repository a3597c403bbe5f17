#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// IPv4 addresses as numbers in host byte order, and sets of them; pure.

// INVALID_ARGUMENT unless it is a plain dotted quad.
absl::StatusOr<uint32_t> ParseIpv4(absl::string_view text);
std::string FormatIpv4(uint32_t address);
uint32_t PrefixMask(int prefix);

// Addresses from `first` to `last`, both included.
struct Ipv4Range {
  uint32_t first = 0;
  uint32_t last = 0;
  bool operator==(const Ipv4Range& other) const {
    return first == other.first && last == other.last;
  }
};

// "10.0.0.0/8" or "192.0.2.7"; host bits are ignored. INVALID_ARGUMENT otherwise.
absl::StatusOr<Ipv4Range> ParseIpv4Network(absl::string_view text);
// As nftables writes it: "10.0.0.0-10.255.255.255", or one address alone.
std::string FormatIpv4Range(const Ipv4Range& range);

// Sorted, disjoint, neighbours joined.
std::vector<Ipv4Range> MergeRanges(std::vector<Ipv4Range> ranges);
// What is in `from` and not in `taken`; merged.
std::vector<Ipv4Range> SubtractRanges(std::vector<Ipv4Range> from, std::vector<Ipv4Range> taken);

}  // namespace paddock::nodeagent
