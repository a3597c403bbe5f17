#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/egress/dns_message.h"

namespace paddock::nodeagent {

// Answers to address questions, read and made; pure.

constexpr uint16_t kDnsTypeAaaa = 28;
constexpr uint16_t kDnsClassIn = 1;

// What a resolver said about the addresses of a name.
struct DnsAddresses {
  int rcode = 0;
  bool truncated = false;           // To be asked again over TCP.
  std::vector<uint32_t> addresses;  // IPv4, host byte order; in the answer's order.
  // The names that the answer's records lead to, or stand under, beside the question's own: of
  // CNAME, DNAME, SVCB and HTTPS. As in DnsQuery::name, each once.
  std::vector<std::string> aliases;
  uint32_t ttl = 0;  // Seconds; the least of all records.
};

// A question for the IPv4 addresses of a host name (see IsHostName); without EDNS, which not every
// resolver knows: addresses seldom need the room.
DnsQuery AddressQuery(absl::string_view name);

// INVALID_ARGUMENT for a malformed packet, and for one with more aliases than any resolver follows.
// Whose answer it is has been checked (IsDnsAnswer). The addresses count whatever name they stand
// under: to follow aliases is the resolver's business. Of answers to other questions it tells the
// aliases.
absl::StatusOr<DnsAddresses> ParseDnsAddresses(absl::string_view packet);

// An answer with this one address, or without any record at all.
std::string BuildDnsAddress(const DnsQuery& query, uint32_t address, uint32_t ttl);
std::string BuildDnsEmpty(const DnsQuery& query);

}  // namespace paddock::nodeagent
