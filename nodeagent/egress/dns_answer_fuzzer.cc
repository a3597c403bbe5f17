#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "nodeagent/egress/dns_answer.h"

// Whatever a resolver says can be read, and what we answer to a question we understand ourselves.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace paddock::nodeagent;  // NOLINT: a fuzz target is all about one namespace.
  absl::string_view packet(reinterpret_cast<const char*>(data), size);
  absl::StatusOr<DnsAddresses> read = ParseDnsAddresses(packet);
  if (read.ok() && read->addresses.size() > size / 4) abort();
  absl::StatusOr<DnsQuery> query = ParseDnsQuery(packet);
  if (!query.ok()) return 0;
  std::string answer = BuildDnsAddress(*query, 0xc6120001, 60);
  absl::StatusOr<DnsAddresses> again = ParseDnsAddresses(answer);
  if (!IsDnsAnswer(answer, *query, query->id) || !again.ok() || again->addresses.size() != 1 ||
      again->addresses[0] != 0xc6120001 || again->ttl != 60) {
    abort();
  }
  return 0;
}
