#include "nodeagent/egress/dns_answer.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "nodeagent/egress/dns_name.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxAddresses = 32;
constexpr size_t kMaxAliases = 64;
constexpr size_t kRecordHead = 10;  // Behind the owner's name.
constexpr uint32_t kTypeCname = 5;
constexpr uint32_t kTypeDname = 39;
constexpr uint32_t kTypeSvcb = 64;
constexpr uint32_t kTypeHttps = 65;
constexpr size_t kSvcbPriority = 2;  // Bytes before the target's name.
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

// One record of an answer.
struct Record {
  std::string owner;
  uint32_t type = 0;
  uint32_t dns_class = 0;
  uint32_t ttl = 0;
  size_t data = 0;  // Where its data lies in the packet, and how much.
  size_t size = 0;
};

bool ReadRecord(absl::string_view packet, size_t* offset, Record* record) {
  if (!ReadDnsName(packet, offset, &record->owner) || packet.size() - *offset < kRecordHead) {
    return false;
  }
  record->type = Number(packet, *offset, 2);
  record->dns_class = Number(packet, *offset + 2, 2);
  record->ttl = Number(packet, *offset + 4, 4);
  record->size = Number(packet, *offset + 8, 2);
  record->data = *offset + kRecordHead;
  if (packet.size() - record->data < record->size) return false;
  *offset = record->data + record->size;
  return true;
}

// The name that a record leads to instead of its owner; stays empty if it leads nowhere. False for
// a malformed one.
bool ReadTarget(absl::string_view packet, const Record& record, std::string* target) {
  size_t offset = record.data;
  switch (record.type) {
    case kTypeSvcb:
    case kTypeHttps:
      offset += kSvcbPriority;
      break;
    case kTypeCname:
    case kTypeDname:
      break;
    default:
      return true;
  }
  // To the end of the data: names there may point back into the packet.
  return ReadDnsName(packet.substr(0, record.data + record.size), &offset, target);
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
  uint32_t answers = Number(packet, kAnswers, 2);
  size_t offset = kHeaderSize;
  std::string question;
  if (Number(packet, kQuestions, 2) != 1 || !ReadDnsName(packet, &offset, &question) ||
      packet.size() - offset < 4) {
    return malformed;
  }
  offset += 4;
  for (uint32_t i = 0; i < answers; ++i) {
    Record record;
    std::string target;
    if (!ReadRecord(packet, &offset, &record) || !ReadTarget(packet, record, &target)) {
      return result.truncated ? absl::StatusOr<DnsAddresses>(result) : malformed;
    }
    result.ttl = i == 0 ? record.ttl : std::min(result.ttl, record.ttl);
    for (std::string* name : {&record.owner, &target}) {
      bool known = name->empty() || *name == question ||
                   std::count(result.aliases.begin(), result.aliases.end(), *name) > 0;
      if (!known) result.aliases.push_back(std::move(*name));
    }
    if (result.aliases.size() > kMaxAliases) return malformed;
    bool address = record.type == kDnsTypeA && record.dns_class == kDnsClassIn && record.size == 4;
    if (address && result.addresses.size() < kMaxAddresses) {
      result.addresses.push_back(Number(packet, record.data, 4));
    }
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
