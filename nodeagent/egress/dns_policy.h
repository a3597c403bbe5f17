#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "nodeagent/egress/dns_message.h"

namespace paddock::nodeagent {

// What to do with a look-up.
enum class DnsVerdict {
  kForward,
  kBlocked,
  kIgnore,
  kAddress,  // Answered here, whatever the name: questions for IPv4 addresses by `address`, for
             // IPv6 ones by none, others not at all. No packet goes upstream.
};
struct DnsDecision {
  DnsVerdict verdict = DnsVerdict::kIgnore;
  uint32_t address = 0;  // Host byte order.
};

// What DnsForwarder asks about look-ups, by the sandbox's address (host byte order).
// Implementations note what they refuse.
class DnsPolicy {
 public:
  virtual ~DnsPolicy() = default;
  // Whether there is such a sandbox, and names are served to it at all.
  virtual bool Serves(uint32_t client) = 0;
  virtual DnsDecision Judge(uint32_t client, const DnsQuery& query) = 0;
  // Whether what a resolver answered to a look-up that was forwarded may be told: kForward, else
  // kBlocked.
  virtual DnsVerdict JudgeAnswer(uint32_t client, const DnsQuery& query,
                                 absl::string_view answer) = 0;
  // A packet that isn't answered, or by an error alone: it is no look-up that can be understood, or
  // there are too many.
  virtual void OnRefused(uint32_t client, absl::string_view why) = 0;
};

}  // namespace paddock::nodeagent
