#include "nodeagent/egress/look_up_judge.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "nodeagent/egress/dns_answer.h"
#include "nodeagent/egress/egress_reasons.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/network_plan.h"

namespace paddock::nodeagent {
namespace {

constexpr int kDnsPort = 53;

EgressEvent LookUpEvent(const std::string& name, std::string reason) {
  EgressEvent event;
  event.name = name;
  event.port = kDnsPort;
  event.protocol = "dns";
  event.reason = std::move(reason);
  return event;
}

}  // namespace

NetworkPolicy::Kind LookUpJudge::KindOf(uint32_t client) const {
  const SessionTable::Entry* entry = table_->FindByAddress(FormatIpv4(client));
  std::shared_ptr<EgressSession> session = sessions_->FindByAddress(client);
  if (entry == nullptr || session == nullptr) return NetworkPolicy::Kind::kNone;
  bool limited = entry->session.policy.kind == NetworkPolicy::Kind::kLimited;
  return limited && !session->policy ? NetworkPolicy::Kind::kNone : entry->session.policy.kind;
}

bool LookUpJudge::Serves(uint32_t client) { return KindOf(client) != NetworkPolicy::Kind::kNone; }

DnsDecision LookUpJudge::Judge(uint32_t client, const DnsQuery& query) {
  std::shared_ptr<EgressSession> session = sessions_->FindByAddress(client);
  switch (KindOf(client)) {
    case NetworkPolicy::Kind::kNone:
      return {DnsVerdict::kIgnore};
    case NetworkPolicy::Kind::kLimited:
      return JudgeLimited(*session, query);
    case NetworkPolicy::Kind::kUnrestricted:
      break;
  }
  if (!HostBlocked(*rules_, query.name)) return {DnsVerdict::kForward};
  session->Deny(LookUpEvent(query.name, NameBlocked(query.name)));
  return {DnsVerdict::kBlocked};
}

DnsVerdict LookUpJudge::JudgeAnswer(uint32_t client, const DnsQuery& query,
                                    absl::string_view answer) {
  std::shared_ptr<EgressSession> session = sessions_->FindByAddress(client);
  if (session == nullptr || rules_->block_hosts.empty()) return DnsVerdict::kForward;
  absl::StatusOr<DnsAddresses> read = ParseDnsAddresses(answer);
  if (!read.ok()) {
    session->Deny(LookUpEvent(
        query.name, LookUpRefused("a resolver answered what can't be understood, and could hide a "
                                  "host that the operator of this node blocks")));
    return DnsVerdict::kBlocked;
  }
  for (const std::string& alias : read->aliases) {
    if (!HostBlocked(*rules_, alias)) continue;
    session->Deny(LookUpEvent(query.name, AliasBlocked(query.name, alias)));
    return DnsVerdict::kBlocked;
  }
  return DnsVerdict::kForward;
}

DnsDecision LookUpJudge::JudgeLimited(EgressSession& session, const DnsQuery& query) {
  const DnsDecision sinkhole{DnsVerdict::kAddress, NetworkPlan::kSinkhole};
  bool addresses = query.type == kDnsTypeA || query.type == kDnsTypeAaaa;
  if (!addresses || query.dns_class != kDnsClassIn) {
    Deny(session, query.name, RecordTypeRefused(query.type));
    return sinkhole;
  }
  bool blocked = HostBlocked(*rules_, query.name);
  if (!blocked && session.policy->AllowsName(query.name)) return Answer(session, query);
  session.last_denied_name = query.name;
  Deny(session, query.name, blocked ? NameBlocked(query.name) : NameNotAllowed(query.name));
  return sinkhole;
}

DnsDecision LookUpJudge::Answer(EgressSession& session, const DnsQuery& query) {
  size_t known = session.names.size();
  // For an IPv6 question, too, which is then answered by no address: programs ask for both.
  absl::StatusOr<uint32_t> address = session.names.AddressOf(query.name);
  if (address.ok()) {
    if (session.names.size() > known) {
      EgressEvent event = LookUpEvent(query.name, LookUpAnswered(*address));
      event.allowed = true;
      session.log.Add(std::move(event));
    }
    return {DnsVerdict::kAddress, *address};
  }
  if (!absl::IsResourceExhausted(address.status())) {
    LogError("giving a name its address",
             {{"session_id", session.id}, {"error", address.status().ToString()}});
  }
  Deny(session, query.name, std::string(address.status().message()));
  return {DnsVerdict::kAddress, NetworkPlan::kSinkhole};
}

void LookUpJudge::OnRefused(uint32_t client, absl::string_view why) {
  std::shared_ptr<EgressSession> session = sessions_->FindByAddress(client);
  if (session != nullptr) Deny(*session, "", LookUpRefused(why));
}

void LookUpJudge::Deny(EgressSession& session, const std::string& name, std::string reason) {
  ++services_->verdicts["denied_dns"];
  session.Deny(LookUpEvent(name, std::move(reason)));
}

}  // namespace paddock::nodeagent
