#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "nodeagent/egress/dns_message.h"

// What we make of any packet must be a query that we understand ourselves, with the same question.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace paddock::nodeagent;  // NOLINT: a fuzz target is all about one namespace.
  absl::string_view packet(reinterpret_cast<const char*>(data), size);
  BuildDnsErrorForPacket(packet, DnsRcode::kFormatError);
  absl::StatusOr<DnsQuery> query = ParseDnsQuery(packet);
  if (!query.ok()) return 0;
  std::string upstream = BuildDnsQuery(*query, 0x1234);
  absl::StatusOr<DnsQuery> again = ParseDnsQuery(upstream);
  if (!again.ok() || again->name != query->name || again->question != query->question ||
      again->type != query->type || again->has_edns != query->has_edns) {
    abort();
  }
  if (!IsDnsAnswer(BuildDnsError(*query, DnsRcode::kRefused), *query, query->id)) abort();
  return 0;
}
