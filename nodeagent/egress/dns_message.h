#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// DNS packets (RFC 1035, 6891) as far as a forwarder must understand them; pure. The bytes come
// from sandboxes and from the network: nothing in them is trusted.

enum class DnsRcode : uint8_t {
  kFormatError = 1,
  kServerFailure = 2,
  kNoSuchName = 3,
  kNotImplemented = 4,
  kRefused = 5,
};

constexpr uint16_t kDnsTypeA = 1;
constexpr uint16_t kDnsTypeOpt = 41;
constexpr uint16_t kDnsTypeIxfr = 251;
constexpr uint16_t kDnsTypeAxfr = 252;

struct DnsQuery {
  uint16_t id = 0;
  bool recursion_desired = false;
  bool authentic_data = false;
  bool checking_disabled = false;
  // Lower case, no trailing dot; bytes that no host name has are written \DDD. Empty: the root.
  std::string name;
  uint16_t type = 0;
  uint16_t dns_class = 0;
  std::string question;  // The question section as it was sent, case and all.
  bool has_edns = false;
  uint16_t edns_size = 0;
  bool dnssec_ok = false;
};

// A standard query with one question and at most an OPT record. Errors: UNIMPLEMENTED for other
// kinds of requests (answer kNotImplemented), INVALID_ARGUMENT for what can be answered by
// kFormatError, OUT_OF_RANGE for what is no request at all (shorter than a header, or an answer):
// to be dropped, so that no two servers ever answer each other.
absl::StatusOr<DnsQuery> ParseDnsQuery(absl::string_view packet);

// The query as we ask it upstream: our id, the question, and nothing that the sandbox made up.
std::string BuildDnsQuery(const DnsQuery& query, uint16_t id);

// An answer without records. Of a packet that ParseDnsQuery refused, only id and flags are used;
// empty for less than a header.
std::string BuildDnsError(const DnsQuery& query, DnsRcode rcode);
std::string BuildDnsErrorForPacket(absl::string_view packet, DnsRcode rcode);

// Whether `packet` answers the query that BuildDnsQuery made with this id: id, response bit and
// question (its case, too) agree.
bool IsDnsAnswer(absl::string_view packet, const DnsQuery& query, uint16_t id);

// Puts another id into a packet that has a header.
void SetDnsId(std::string* packet, uint16_t id);

}  // namespace paddock::nodeagent
