// What the gateway decides about look-ups and makes of refusals.

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "nodeagent/egress/dns_answer.h"
#include "nodeagent/egress/egress_reasons.h"
#include "nodeagent/egress/gateway.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/route_requests.h"

namespace paddock::nodeagent {
namespace {

constexpr int kDnsPort = 53;
constexpr char kSpoofed[] = "spoofed";
constexpr char kBlocklist[] = "blocklist";

bool Contains(const std::vector<Ipv4Range>& ranges, uint32_t address) {
  for (const Ipv4Range& range : ranges) {
    if (address >= range.first && address <= range.last) return true;
  }
  return false;
}

EgressEvent LookUpEvent(const DnsQuery& query, std::string reason) {
  EgressEvent event;
  event.name = query.name;
  event.port = kDnsPort;
  event.protocol = "dns";
  event.reason = std::move(reason);
  return event;
}

}  // namespace

std::optional<Gateway::Outlet> Gateway::OutletOf(const GatewaySession& session) {
  SessionElement element{session.address, session.router_veth};
  switch (session.policy.kind) {
    case NetworkPolicy::Kind::kNone:
      return std::nullopt;
    case NetworkPolicy::Kind::kLimited:
      return Outlet{SessionSet::kLimited, std::move(element)};
    case NetworkPolicy::Kind::kUnrestricted:
      return Outlet{SessionSet::kUnrestricted, std::move(element)};
  }
  return std::nullopt;
}

bool Gateway::IsBlocked(uint32_t address) const {
  return Contains(blocked_.node, address) || Contains(blocked_.general, address) ||
         plan_.Contains(address);
}

DnsDecision Gateway::Judge(uint32_t client, const DnsQuery* query) {
  const SessionTable::Entry* entry = table_.FindByAddress(FormatIpv4(client));
  std::shared_ptr<EgressSession> session = sessions_.FindByAddress(client);
  if (entry == nullptr || session == nullptr) return {DnsVerdict::kIgnore};
  switch (entry->session.policy.kind) {
    case NetworkPolicy::Kind::kNone:
      return {DnsVerdict::kIgnore};
    case NetworkPolicy::Kind::kLimited:
      return session->policy ? JudgeLimited(*session, query) : DnsDecision{DnsVerdict::kIgnore};
    case NetworkPolicy::Kind::kUnrestricted:
      break;
  }
  if (query == nullptr || !HostBlocked(operator_rules_, query->name)) return {DnsVerdict::kForward};
  session->Deny(LookUpEvent(*query, NameBlocked(query->name)));
  return {DnsVerdict::kBlocked};
}

DnsDecision Gateway::JudgeLimited(EgressSession& session, const DnsQuery* query) {
  DnsDecision sinkhole{DnsVerdict::kAddress, NetworkPlan::kSinkhole};
  if (query == nullptr) return sinkhole;
  bool addresses = query->type == kDnsTypeA || query->type == kDnsTypeAaaa;
  if (!addresses || query->dns_class != kDnsClassIn) {
    ++services_.verdicts["denied_dns"];
    session.Deny(LookUpEvent(*query, RecordTypeRefused(query->type)));
    return sinkhole;
  }
  bool blocked = HostBlocked(operator_rules_, query->name);
  if (!blocked && session.policy->AllowsName(query->name)) {
    if (query->type != kDnsTypeA) return sinkhole;  // Answered by no address.
    absl::StatusOr<uint32_t> address = session.names.AddressOf(query->name);
    if (address.ok()) return {DnsVerdict::kAddress, *address};
    if (!absl::IsResourceExhausted(address.status())) {
      LogError("giving a name its address",
               {{"session_id", session.id}, {"error", address.status().ToString()}});
    }
    ++services_.verdicts["denied_dns"];
    session.Deny(LookUpEvent(*query, std::string(address.status().message())));
    return sinkhole;
  }
  ++services_.verdicts["denied_dns"];
  session.last_denied_name = query->name;
  session.Deny(
      LookUpEvent(*query, blocked ? NameBlocked(query->name) : NameNotAllowed(query->name)));
  return sinkhole;
}

void Gateway::OnRefusedPacket(const RefusedPacket& packet) {
  std::shared_ptr<EgressSession> session;
  if (packet.source != 0 && packet.verdict != kSpoofed) {
    session = sessions_.FindByAddress(packet.source);
  } else {
    // The source says nothing about who sent it; the interface does.
    absl::StatusOr<std::string> link = LinkName(*router_links_, packet.in_link);
    if (link.ok()) session = sessions_.FindByVeth(*link);
  }
  if (session == nullptr) return;
  EgressEvent event;
  if (packet.destination != 0) event.address = FormatIpv4(packet.destination);
  event.port = packet.port;
  event.protocol = packet.protocol.empty() ? "ipv6" : packet.protocol;
  bool refused_file = packet.verdict == kBlocklist && services_.operator_file_refused;
  event.reason = refused_file ? OperatorFileRefused() : PacketRefused(packet.verdict);
  session->Deny(std::move(event));
}

}  // namespace paddock::nodeagent
