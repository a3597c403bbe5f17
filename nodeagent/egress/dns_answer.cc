#include "nodeagent/egress/dns_answer.h"

#include <algorithm>

#include "absl/strings/str_split.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxAddresses = 32;
constexpr int kMaxRecords = 256;
constexpr uint8_t kPointer = 0xc0;
constexpr uint16_t kTruncated = 0x0200;
constexpr uint16_t kRcodeMask = 0x000f;
// Offsets in a header.
constexpr size_t kFlags = 2;
constexpr size_t kQuestions = 4;
constexpr size_t kAnswers = 6;

uint32_t Number(absl::string_view packet, size_t offset, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(packet[offset + i]);
  return value;
}

void AppendNumber(std::string* out, uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// Moves `offset` behind a name, which may end in a pointer; false if the packet ends before.
bool SkipName(absl::string_view packet, size_t* offset) {
  while (*offset < packet.size()) {
    uint8_t length = static_cast<uint8_t>(packet[*offset]);
    if (length >= kPointer) {
      *offset += 2;
      return *offset <= packet.size();
    }
    *offset += 1 + length;
    if (length == 0) return *offset <= packet.size();
  }
  return false;
}

}  // namespace

DnsQuery AddressQuery(absl::string_view name) {
  DnsQuery query;
  query.recursion_desired = true;
  query.name = std::string(name);
  query.type = kDnsTypeA;
  query.dns_class = kDnsClassIn;
  for (absl::string_view label : absl::StrSplit(name, '.')) {
    query.question.push_back(static_cast<char>(label.size()));
    query.question.append(label.data(), label.size());
  }
  query.question.push_back(0);
  AppendNumber(&query.question, query.type, 2);
  AppendNumber(&query.question, query.dns_class, 2);
  return query;
}

absl::StatusOr<DnsAddresses> ParseDnsAddresses(absl::string_view packet) {
  const absl::Status malformed = absl::InvalidArgumentError("malformed DNS answer");
  if (packet.size() < kHeaderSize) return malformed;
  DnsAddresses result;
  uint32_t flags = Number(packet, kFlags, 2);
  result.rcode = static_cast<int>(flags & kRcodeMask);
  result.truncated = (flags & kTruncated) != 0;
  int questions = static_cast<int>(Number(packet, kQuestions, 2));
  int answers = static_cast<int>(Number(packet, kAnswers, 2));
  if (questions != 1 || answers > kMaxRecords) return malformed;
  size_t offset = kHeaderSize;
  if (!SkipName(packet, &offset) || packet.size() - offset < 4) return malformed;
  offset += 4;
  bool first = true;
  for (int i = 0; i < answers; ++i) {
    if (!SkipName(packet, &offset) || packet.size() - offset < 10) {
      return result.truncated ? absl::StatusOr<DnsAddresses>(result) : malformed;
    }
    uint32_t type = Number(packet, offset, 2);
    uint32_t dns_class = Number(packet, offset + 2, 2);
    uint32_t ttl = Number(packet, offset + 4, 4);
    size_t size = Number(packet, offset + 8, 2);
    offset += 10;
    if (packet.size() - offset < size) {
      return result.truncated ? absl::StatusOr<DnsAddresses>(result) : malformed;
    }
    result.ttl = first ? ttl : std::min(result.ttl, ttl);
    first = false;
    bool address = type == kDnsTypeA && dns_class == kDnsClassIn && size == 4;
    if (address && result.addresses.size() < kMaxAddresses) {
      result.addresses.push_back(Number(packet, offset, 4));
    }
    offset += size;
  }
  return result;
}

std::string BuildDnsEmpty(const DnsQuery& query) {
  return BuildDnsError(query, static_cast<DnsRcode>(0));
}

std::string BuildDnsAddress(const DnsQuery& query, uint32_t address, uint32_t ttl) {
  std::string packet = BuildDnsEmpty(query);
  packet[kAnswers + 1] = 1;
  AppendNumber(&packet, kPointer << 8 | kHeaderSize, 2);  // The question's name.
  AppendNumber(&packet, kDnsTypeA, 2);
  AppendNumber(&packet, kDnsClassIn, 2);
  AppendNumber(&packet, ttl, 4);
  AppendNumber(&packet, 4, 2);
  AppendNumber(&packet, address, 4);
  return packet;
}

}  // namespace paddock::nodeagent
