#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "nodeagent/egress/dns_policy.h"
#include "nodeagent/egress/egress_services.h"
#include "nodeagent/egress/egress_sessions.h"
#include "nodeagent/egress/session_table.h"
#include "nodeagent/net/blocklist.h"

namespace paddock::nodeagent {

// What the gateway decides about look-ups, by the policy of the session that asks and the
// operator's file; notes what it refuses. What it is made of outlives it. Lives in the gateway's
// event loop; not thread-safe.
class LookUpJudge : public DnsPolicy {
 public:
  LookUpJudge(const SessionTable* table, EgressSessions* sessions, EgressServices* services,
              const OperatorRules* rules)
      : table_(table), sessions_(sessions), services_(services), rules_(rules) {}
  bool Serves(uint32_t client) override;
  DnsDecision Judge(uint32_t client, const DnsQuery& query) override;
  // Names that are blocked may stand behind an alias.
  DnsVerdict JudgeAnswer(uint32_t client, const DnsQuery& query, absl::string_view answer) override;
  void OnRefused(uint32_t client, absl::string_view why) override;

 private:
  // kNone for what no name is served to.
  NetworkPolicy::Kind KindOf(uint32_t client) const;
  DnsDecision JudgeLimited(EgressSession& session, const DnsQuery& query);
  // Answers an allowed name by its synthetic address, and notes the first time.
  DnsDecision Answer(EgressSession& session, const DnsQuery& query);
  void Deny(EgressSession& session, const std::string& name, std::string reason);

  const SessionTable* const table_;
  EgressSessions* const sessions_;
  EgressServices* const services_;
  const OperatorRules* const rules_;
};

}  // namespace paddock::nodeagent
