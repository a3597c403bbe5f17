#include "nodeagent/net/blocklist.h"

#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

// From the IANA special-purpose registry, and the clouds' documentation for the metadata services
// that have an address of their own outside of it.
constexpr const char* kBuiltIn[] = {
    "0.0.0.0/8",       // This network.
    "10.0.0.0/8",      // Private.
    "100.64.0.0/10",   // Carrier-grade NAT; Alibaba's metadata.
    "127.0.0.0/8",     // Loopback.
    "168.63.129.16",   // Azure's platform service.
    "169.254.0.0/16",  // Link-local; metadata.
    "172.16.0.0/12",   // Private.
    "192.0.0.0/24",    // Protocol assignments; Oracle's metadata.
    "192.88.99.0/24",  // 6to4 relays.
    "192.168.0.0/16",  // Private.
    "198.18.0.0/15",   // Benchmarks.
    "224.0.0.0/4",     // Multicast.
    "240.0.0.0/4",     // Reserved, and broadcast.
};

bool IsIpv6Network(absl::string_view text) {
  in6_addr address;
  std::string host(text.substr(0, text.find('/')));
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string NormalizeHost(absl::string_view name) {
  absl::ConsumeSuffix(&name, ".");
  return absl::AsciiStrToLower(name);
}

absl::Status ParseLine(absl::string_view verb, absl::string_view value, OperatorRules& rules) {
  if (verb == "block-host") {
    std::string host = NormalizeHost(value);
    absl::string_view bare = host;
    absl::ConsumePrefix(&bare, "*.");
    if (bare.empty() || absl::StrContains(bare, "*")) {
      return absl::InvalidArgumentError(absl::StrCat("\"", value, "\" is not a host name"));
    }
    rules.block_hosts.push_back(std::move(host));
    return absl::OkStatus();
  }
  if (verb != "block" && verb != "allow") {
    return absl::InvalidArgumentError(absl::StrCat("unknown word \"", verb, "\""));
  }
  if (IsIpv6Network(value)) return absl::OkStatus();
  PADDOCK_ASSIGN_OR_RETURN(Ipv4Range range, ParseIpv4Network(value));
  (verb == "block" ? rules.block : rules.allow).push_back(range);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OperatorRules> ParseOperatorRules(absl::string_view text) {
  OperatorRules rules;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = line.substr(0, line.find('#'));
    std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    absl::Status status = words.size() == 2 ? ParseLine(words[0], words[1], rules)
                                            : absl::InvalidArgumentError("two words expected");
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", status.message()));
    }
  }
  return rules;
}

std::vector<Ipv4Range> BuiltInBlocklist() {
  std::vector<Ipv4Range> ranges;
  for (const char* network : kBuiltIn) ranges.push_back(*ParseIpv4Network(network));
  return MergeRanges(std::move(ranges));
}

std::vector<Ipv4Range> EffectiveBlocklist(const OperatorRules& rules) {
  std::vector<Ipv4Range> ranges = SubtractRanges(BuiltInBlocklist(), rules.allow);
  ranges.insert(ranges.end(), rules.block.begin(), rules.block.end());
  return MergeRanges(std::move(ranges));
}

bool HostBlocked(const OperatorRules& rules, absl::string_view name) {
  std::string host = NormalizeHost(name);
  for (absl::string_view pattern : rules.block_hosts) {
    bool below = absl::ConsumePrefix(&pattern, "*");  // What is left begins with a dot.
    if (below ? absl::EndsWith(host, pattern) && host.size() > pattern.size() : host == pattern) {
      return true;
    }
  }
  return false;
}

}  // namespace paddock::nodeagent
