// What the gateway lets out, and what it makes of packets that the rules refused.

#include <utility>

#include "nodeagent/egress/egress_reasons.h"
#include "nodeagent/egress/gateway.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/route_requests.h"

namespace paddock::nodeagent {
namespace {

constexpr char kSpoofed[] = "spoofed";
constexpr char kBlocklist[] = "blocklist";

bool Contains(const std::vector<Ipv4Range>& ranges, uint32_t address) {
  for (const Ipv4Range& range : ranges) {
    if (address >= range.first && address <= range.last) return true;
  }
  return false;
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
  event.address = packet.destination;
  event.port = packet.port;
  event.protocol = packet.protocol.empty() ? "ip" : packet.protocol;
  bool refused_file = packet.verdict == kBlocklist && services_.operator_file_refused;
  event.reason = refused_file ? OperatorFileRefused() : PacketRefused(packet.verdict);
  session->Deny(std::move(event));
}

void Gateway::ReportCut(const std::vector<ConnectionTable::Entry>& cut) {
  for (const ConnectionTable::Entry& entry : cut) {
    std::shared_ptr<EgressSession> session = sessions_.FindByAddress(entry.session_address);
    if (session == nullptr) continue;
    EgressEvent event;
    event.name = std::string(session->names.NameOf(entry.name_address));
    if (entry.dialed != 0) event.address = FormatIpv4(entry.dialed);
    event.port = entry.port;
    event.protocol = "tcp";
    event.allowed = true;
    event.reason = GatewayEnded();
    event.bytes_sent = entry.bytes_sent;
    event.bytes_received = entry.bytes_received;
    session->log.Add(std::move(event));
  }
}

}  // namespace paddock::nodeagent
