#include "nodeagent/egress/egress_reasons.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nodeagent/net/ipv4.h"

namespace paddock::nodeagent {
namespace {

constexpr char kSetting[] = "config.cloud.networking.limited";
constexpr absl::string_view kDenied("\x15\x03\x03\x00\x02\x02\x31", 7);  // Fatal, access_denied.
constexpr absl::string_view kFailed("\x15\x03\x03\x00\x02\x02\x50", 7);  // Fatal, internal_error.

std::string HowToAllow(absl::string_view name) {
  return absl::StrCat("to allow it, add \"", name, "\" to ", kSetting,
                      ".allowed_hosts of the environment (or set allow_package_managers for a "
                      "package registry, allow_mcp_servers for an MCP server of the agent); it "
                      "applies to new sessions");
}

}  // namespace

std::string NameNotAllowed(absl::string_view name) {
  if (name.empty()) {
    return absl::StrCat("this host is not in ", kSetting, ".allowed_hosts of the environment");
  }
  return absl::StrCat("the host \"", name, "\" is not allowed by the environment's networking; ",
                      HowToAllow(name));
}

std::string PortNotAllowed(absl::string_view name, int port) {
  return absl::StrCat("the host \"", name, "\" is allowed on other ports only, not on ", port, "; ",
                      HowToAllow(name));
}

std::string NameBlocked(absl::string_view name) {
  return absl::StrCat("the host \"", name,
                      "\" is blocked by the operator of this node; no setting of an environment "
                      "allows it");
}

std::string AliasBlocked(absl::string_view name, absl::string_view alias) {
  return absl::StrCat("the host \"", name, "\" is an alias of \"", alias,
                      "\", which is blocked by the operator of this node; no setting of an "
                      "environment allows it");
}

std::string AddressBlocked(absl::string_view name, uint32_t address) {
  return absl::StrCat("the host \"", name, "\" has the address ", FormatIpv4(address),
                      ", which no sandbox may reach (private, metadata or this node's own); only "
                      "the operator of the node can take a network off the blocklist");
}

std::string OperatorFileRefused() {
  return "the network file of this node's operator has an error and is refused; until the operator "
         "mends it, no sandbox of this node reaches anything";
}

std::string TooManyConnections(int limit) {
  return absl::StrCat("the session has ", limit,
                      " connections open or being made, the most it may have");
}

std::string TooMuchHeld() {
  return "the session's connections have sent too much that isn't a whole request or ClientHello "
         "yet; the connection that went beyond was ended";
}

std::string RecordTypeRefused(int type) {
  return absl::StrCat("DNS records of type ", type,
                      " are not answered under limited networking; only addresses are");
}

std::string LookUpRefused(absl::string_view why) {
  return absl::StrCat("the name server of the sandbox refused a packet: ", why);
}

std::string LookUpAnswered(uint32_t synthetic_address) {
  return absl::StrCat("allowed; answered by this node itself, with the address ",
                      FormatIpv4(synthetic_address),
                      ", which leads to the gateway: look-ups don't leave the node");
}

std::string NobodysAddress(uint32_t address) {
  return absl::StrCat("the address ", FormatIpv4(address),
                      " was given to no name of this session; under limited networking a host is "
                      "reached by its name, looked up inside of the session");
}

std::string GatewayEnded() {
  return "allowed; cut because the gateway process of the node ended and was started again";
}

std::string PacketRefused(absl::string_view verdict) {
  constexpr std::pair<absl::string_view, absl::string_view> kReasons[] = {
      {"limited",
       "limited networking lets TCP connections to allowed names pass and nothing else: no "
       "addresses without a name, no UDP, no ICMP, no other resolver"},
      {"blocklist", "no sandbox may reach this address (private, metadata, or blocked here)"},
      {"node", "no sandbox may reach its node, the control plane or the database"},
      {"sibling", "no sandbox may reach another sandbox"},
      {"router", "no sandbox may reach the gateway itself, but for names"},
      {"spoofed", "the packet's source address is not the sandbox's own"},
      {"protocol", "only TCP, UDP and ICMP echo may leave a sandbox"},
      {"connections", "the session has too many connections open"},
      {"ipv6", "sandboxes have no IPv6"},
      {"group", "no sandbox may send to many at once (multicast, broadcast)"},
  };
  for (const auto& [name, reason] : kReasons) {
    if (name == verdict) return std::string(reason);
  }
  return "refused by the rules of the node";
}

std::string HttpRefusal(int status, absl::string_view reason) {
  std::string body = absl::StrCat("paddock: ", reason, "\n");
  return absl::StrCat("HTTP/1.1 ", status, status == 403 ? " Forbidden" : " Bad Gateway",
                      "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
                      body.size(), "\r\nX-Paddock-Egress: ", status == 403 ? "denied" : "failed",
                      "\r\nConnection: close\r\n\r\n", body);
}

std::string TlsRefusal(bool denied) { return std::string(denied ? kDenied : kFailed); }

}  // namespace paddock::nodeagent
