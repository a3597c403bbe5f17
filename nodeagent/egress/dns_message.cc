#include "nodeagent/egress/dns_message.h"

#include <algorithm>

#include "nodeagent/egress/dns_name.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxNameSize = 255;
constexpr size_t kMaxLabelSize = 63;
constexpr uint16_t kResponse = 0x8000;
constexpr uint16_t kOpcodeMask = 0x7800;
constexpr uint16_t kRecursionDesired = 0x0100;
constexpr uint16_t kRecursionAvailable = 0x0080;
constexpr uint16_t kAuthenticData = 0x0020;
constexpr uint16_t kCheckingDisabled = 0x0010;
constexpr uint16_t kDnssecOk = 0x8000;
constexpr uint16_t kOurEdnsSize = 1232;  // Fits any path unfragmented.

// Reads from the front of a packet; after a failed read everything fails.
class Reader {
 public:
  explicit Reader(absl::string_view packet) : packet_(packet) {}
  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  uint8_t Byte() { return static_cast<uint8_t>(Take(1).empty() ? 0 : packet_[position_ - 1]); }
  uint16_t Word() {
    uint16_t high = Byte();
    return static_cast<uint16_t>(high << 8 | Byte());
  }
  absl::string_view Take(size_t size) {
    if (!ok_ || packet_.size() - position_ < size) {
      ok_ = false;
      return {};
    }
    position_ += size;
    return packet_.substr(position_ - size, size);
  }

 private:
  absl::string_view packet_;
  size_t position_ = 0;
  bool ok_ = true;
};

void AppendWord(std::string* out, uint16_t value) {
  out->push_back(static_cast<char>(value >> 8));
  out->push_back(static_cast<char>(value));
}

uint16_t WordAt(absl::string_view packet, size_t offset) {
  return static_cast<uint16_t>(static_cast<uint8_t>(packet[offset]) << 8 |
                               static_cast<uint8_t>(packet[offset + 1]));
}

// An uncompressed name: a question has nothing before it that it could point to.
bool ReadName(Reader& reader, std::string* name) {
  size_t start = reader.position();
  while (true) {
    size_t length = reader.Byte();
    if (!reader.ok() || length > kMaxLabelSize) return false;
    absl::string_view label = reader.Take(length);
    if (!reader.ok() || reader.position() - start > kMaxNameSize) return false;
    if (length == 0) return true;
    AppendDnsLabel(label, name);
  }
}

bool ReadOpt(Reader& reader, DnsQuery* query) {
  if (reader.Byte() != 0 || reader.Word() != kDnsTypeOpt) return false;
  query->edns_size = reader.Word();
  reader.Word();  // Extended code and version.
  query->dnssec_ok = (reader.Word() & kDnssecOk) != 0;
  reader.Take(reader.Word());
  query->has_edns = reader.ok();
  return reader.ok();
}

std::string Header(uint16_t id, uint16_t flags, uint16_t questions, uint16_t additional) {
  std::string packet;
  AppendWord(&packet, id);
  AppendWord(&packet, flags);
  AppendWord(&packet, questions);
  AppendWord(&packet, 0);
  AppendWord(&packet, 0);
  AppendWord(&packet, additional);
  return packet;
}

}  // namespace

absl::StatusOr<DnsQuery> ParseDnsQuery(absl::string_view packet) {
  if (packet.size() < kHeaderSize) return absl::OutOfRangeError("shorter than a DNS header");
  Reader reader(packet);
  DnsQuery query;
  query.id = reader.Word();
  uint16_t flags = reader.Word();
  if (flags & kResponse) return absl::OutOfRangeError("not a DNS request");
  if (flags & kOpcodeMask) return absl::UnimplementedError("not a standard query");
  query.recursion_desired = flags & kRecursionDesired;
  query.authentic_data = flags & kAuthenticData;
  query.checking_disabled = flags & kCheckingDisabled;
  uint16_t questions = reader.Word();
  uint16_t answers = reader.Word();
  uint16_t authorities = reader.Word();
  uint16_t additional = reader.Word();
  if (questions != 1 || answers != 0 || authorities != 0 || additional > 1) {
    return absl::InvalidArgumentError("not one question alone");
  }
  if (!ReadName(reader, &query.name))
    return absl::InvalidArgumentError("malformed or too long a name");
  query.type = reader.Word();
  query.dns_class = reader.Word();
  if (!reader.ok()) return absl::InvalidArgumentError("truncated question");
  query.question = std::string(packet.substr(kHeaderSize, reader.position() - kHeaderSize));
  if (additional == 1 && !ReadOpt(reader, &query)) {
    return absl::InvalidArgumentError("malformed OPT record");
  }
  if (reader.position() != packet.size()) {
    return absl::InvalidArgumentError("bytes behind the question");
  }
  return query;
}

std::string BuildDnsQuery(const DnsQuery& query, uint16_t id) {
  uint16_t flags = 0;
  if (query.recursion_desired) flags |= kRecursionDesired;
  if (query.authentic_data) flags |= kAuthenticData;
  if (query.checking_disabled) flags |= kCheckingDisabled;
  std::string packet = Header(id, flags, 1, query.has_edns ? 1 : 0);
  packet += query.question;
  if (query.has_edns) {
    packet.push_back(0);
    AppendWord(&packet, kDnsTypeOpt);
    AppendWord(&packet, std::clamp<uint16_t>(query.edns_size, 512, kOurEdnsSize));
    AppendWord(&packet, 0);
    AppendWord(&packet, query.dnssec_ok ? kDnssecOk : 0);
    AppendWord(&packet, 0);
  }
  return packet;
}

std::string BuildDnsError(const DnsQuery& query, DnsRcode rcode) {
  uint16_t flags = kResponse | kRecursionAvailable | static_cast<uint16_t>(rcode);
  if (query.recursion_desired) flags |= kRecursionDesired;
  return Header(query.id, flags, 1, 0) + query.question;
}

std::string BuildDnsErrorForPacket(absl::string_view packet, DnsRcode rcode) {
  if (packet.size() < kHeaderSize) return "";
  uint16_t kept = WordAt(packet, 2) & (kOpcodeMask | kRecursionDesired);
  return Header(WordAt(packet, 0), kept | kResponse | static_cast<uint16_t>(rcode), 0, 0);
}

bool IsDnsAnswer(absl::string_view packet, const DnsQuery& query, uint16_t id) {
  return packet.size() >= kHeaderSize + query.question.size() && WordAt(packet, 0) == id &&
         (WordAt(packet, 2) & kResponse) != 0 && WordAt(packet, 4) == 1 &&
         packet.substr(kHeaderSize, query.question.size()) == query.question;
}

void SetDnsId(std::string* packet, uint16_t id) {
  if (packet->size() < kHeaderSize) return;
  (*packet)[0] = static_cast<char>(id >> 8);
  (*packet)[1] = static_cast<char>(id);
}

}  // namespace paddock::nodeagent
