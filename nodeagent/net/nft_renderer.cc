#include "nodeagent/net/nft_renderer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace paddock::nodeagent {
namespace {

// The order of the rules is the policy:
//  - raw: a packet that isn't from a known session's own address and interface is dropped before
//    anything is tracked for it. Look-ups to the gateway aren't tracked, so they can't fill the
//    connection table.
//  - forward: blocked destinations are refused for established connections as well, so that an
//    update of the lists takes effect at once; as the session sent it and as translation left it.
//  - Limited sessions: TCP to synthetic addresses goes to the gateway's transparent listener (which
//    exists or not: without one it is refused), untracked. Nothing of theirs is ever forwarded.
//  - Refusals answer at once (reset, or "administratively prohibited"), so that programs report an
//    error instead of waiting for a time-out.
constexpr char kRouterTemplate[] = R"(add table inet $TABLE
delete table inet $TABLE
table inet $TABLE {
  counter accepted {}
  counter accepted_replies {}
  counter denied_spoofed {}
  counter denied_ipv6 {}
  counter denied_group {}
  counter denied_blocklist {}
  counter denied_node {}
  counter denied_sibling {}
  counter denied_router {}
  counter denied_protocol {}
  counter denied_connections {}
  counter denied_inbound {}
  counter denied_limited {}
  counter accepted_limited {}
  set unrestricted {
    type ipv4_addr . ifname
    size 65536$SESSIONS
  }
  set limited {
    type ipv4_addr . ifname
    size 65536$LIMITED
  }
  set blocked {
    type ipv4_addr
    flags interval$BLOCKED
  }
  set node {
    type ipv4_addr
    flags interval$NODE
  }
  set told {
    type ifname
    size 65536
    flags dynamic,timeout
    timeout 1m
  }
  set connections {
    type ipv4_addr
    size 65536
    flags dynamic
  }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
$TELLERS  chain refuse_blocked {
    counter name denied_blocklist
    jump tell_blocklist
    goto refuse
  }
  chain refuse_node {
    counter name denied_node
    jump tell_node
    goto refuse
  }
  chain refuse_sibling {
    counter name denied_sibling
    jump tell_sibling
    goto refuse
  }
  chain refuse_protocol {
    counter name denied_protocol
    jump tell_protocol
    goto refuse
  }
  chain refuse_connections {
    counter name denied_connections
    jump tell_connections
    goto refuse
  }
  chain drop_spoofed {
    counter name denied_spoofed
    jump tell_spoofed
    drop
  }
  chain drop_ipv6 {
    counter name denied_ipv6
    jump tell_ipv6
    drop
  }
  chain drop_group {
    counter name denied_group
    jump tell_group
    drop
  }
  chain limited_in {
    ip daddr $GATEWAY meta l4proto { tcp, udp } th dport 53 notrack accept
    ip daddr $SYNTHETIC meta l4proto tcp notrack accept
    ip daddr $GROUPS goto drop_group
    accept
  }
  chain limited_forward {
    counter name denied_limited
    ip daddr $SUBNET jump tell_sibling
    ip daddr != $SUBNET jump tell_limited
    goto refuse
  }
  chain raw_in {
    type filter hook prerouting priority raw; policy drop;
    iifname "lo" accept
    meta nfproto ipv6 goto drop_ipv6
    iifname "$UPLINK" accept
    ip saddr . iifname @limited goto limited_in
    ip saddr . iifname != @unrestricted goto drop_spoofed
    ip daddr $GATEWAY meta l4proto { tcp, udp } th dport 53 notrack accept
    ip daddr $GROUPS goto drop_group
    accept
  }
  chain raw_out {
    type filter hook output priority raw; policy accept;
    ip saddr $GATEWAY meta l4proto { tcp, udp } th sport 53 notrack
    ip saddr $SYNTHETIC notrack
  }
  chain divert {
    type filter hook prerouting priority mangle; policy accept;
    meta mark set 0
    iifname "$UPLINK" accept
    ip daddr $SYNTHETIC meta l4proto tcp ip saddr . iifname @limited tproxy ip to 127.0.0.1:$PORT meta mark set $MARK accept
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    iifname "$UPLINK" ct state established,related accept
    iifname "$UPLINK" counter name denied_inbound drop
    ip daddr $GATEWAY meta l4proto { tcp, udp } th dport 53 accept
    meta mark $MARK counter name accepted_limited accept
    ip saddr . iifname @limited counter name denied_limited jump tell_limited
    ip saddr . iifname @limited goto refuse
    counter name denied_router
    jump tell_router
    goto refuse
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    meta nfproto ipv6 counter name denied_ipv6 drop
    iifname "$UPLINK" ct state established,related ip daddr . oifname @unrestricted counter name accepted_replies accept
    iifname "$UPLINK" counter name denied_inbound drop
    ip saddr . iifname @limited goto limited_forward
    oifname != "$UPLINK" goto refuse_sibling
    ip daddr $SUBNET goto refuse_sibling
    ip daddr @node goto refuse_node
    ip daddr @blocked goto refuse_blocked
    ct original ip daddr @node goto refuse_node
    ct original ip daddr @blocked goto refuse_blocked
    ct state established,related counter name accepted accept
    ct state invalid counter name denied_protocol drop
    meta l4proto != { tcp, udp, icmp } goto refuse_protocol
    meta l4proto icmp icmp type != echo-request jump tell_protocol
    meta l4proto icmp icmp type != echo-request counter name denied_protocol drop
    add @connections { ip saddr ct count over $LIMIT } goto refuse_connections
    counter name accepted accept
  }
}
)";

constexpr char kHostTemplate[] = R"(add table inet $TABLE
delete table inet $TABLE
table inet $TABLE {
  counter denied_input {}
  counter denied_forward {}
  set blocked {
    type ipv4_addr
    flags interval$BLOCKED
  }
  set node {
    type ipv4_addr
    flags interval$NODE
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname "$UPLINK" counter name denied_input drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    oifname "$UPLINK" ct state established,related accept
    oifname "$UPLINK" counter name denied_forward drop
    iifname != "$UPLINK" accept
    ip saddr != $SUBNET counter name denied_forward drop
    meta nfproto ipv6 counter name denied_forward drop
    oifname "pdk-*" counter name denied_forward drop
    ip daddr @node counter name denied_forward drop
    ip daddr @blocked counter name denied_forward drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr $SUBNET oifname != "$UPLINK" masquerade
  }
}
)";

// Of packets that the gateway's listener or one of its connections takes. Marks that a sandbox sets
// are gone when its packets come here.
constexpr char kTakenMark[] = "0x70616464";

// Multicast and broadcast: whoever sends there means many, and the kernel drops it without a word.
constexpr char kGroups[] = "{ 224.0.0.0/4, 255.255.255.255 }";

std::string JoinRanges(const std::vector<Ipv4Range>& ranges) {
  return absl::StrJoin(ranges, ", ", [](std::string* out, const Ipv4Range& range) {
    absl::StrAppend(out, FormatIpv4Range(range));
  });
}

// The elements line of a set declaration; nothing for an empty set, which nftables refuses.
std::string Elements(const std::string& list) {
  return list.empty() ? "" : absl::StrCat("\n    elements = { ", list, " }");
}

std::string JoinSessions(const std::vector<SessionElement>& sessions) {
  return absl::StrJoin(sessions, ", ", [](std::string* out, const SessionElement& session) {
    absl::StrAppend(out, session.address, " . \"", session.interface, "\"");
  });
}

// Chains that log a packet of the sandbox it came from, unless there were many already.
std::string Tellers() {
  std::string text;
  for (const char* verdict : {"limited", "blocklist", "node", "sibling", "router", "spoofed",
                              "protocol", "connections", "ipv6", "group"}) {
    absl::StrAppend(&text, "  chain tell_", verdict,
                    " {\n    update @told { iifname limit rate 20/second burst 40 packets } log "
                    "prefix \"",
                    verdict, "\" group ", kLogGroup, "\n  }\n");
  }
  return text;
}

std::string SetUpdate(const std::string& table, const char* set,
                      const std::vector<Ipv4Range>& ranges) {
  std::string script = absl::StrCat("flush set inet ", table, " ", set, "\n");
  if (!ranges.empty()) {
    absl::StrAppend(&script, "add element inet ", table, " ", set, " { ", JoinRanges(ranges),
                    " }\n");
  }
  return script;
}

}  // namespace

std::string RenderRouterTable(const NetworkPlan& plan, const RouterRules& rules) {
  return absl::StrReplaceAll(kRouterTemplate,
                             {{"$TABLE", NetworkPlan::kRouterTable},
                              {"$UPLINK", NetworkPlan::kRouterInterface},
                              {"$GATEWAY", plan.GatewayAddress()},
                              {"$SUBNET", plan.Subnet()},
                              {"$LIMIT", absl::StrCat(rules.max_connections_per_session)},
                              {"$SESSIONS", Elements(JoinSessions(rules.unrestricted))},
                              {"$LIMITED", Elements(JoinSessions(rules.limited))},
                              {"$TELLERS", Tellers()},
                              {"$SYNTHETIC", NetworkPlan::kSyntheticNetwork},
                              {"$GROUPS", kGroups},
                              {"$PORT", absl::StrCat(NetworkPlan::kEgressPort)},
                              {"$MARK", kTakenMark},
                              {"$BLOCKED", Elements(JoinRanges(rules.blocked.general))},
                              {"$NODE", Elements(JoinRanges(rules.blocked.node))}});
}

std::string RenderHostTable(const NetworkPlan& plan, const Blocklists& blocked) {
  return absl::StrReplaceAll(kHostTemplate, {{"$TABLE", plan.HostTable()},
                                             {"$UPLINK", plan.HostInterface()},
                                             {"$SUBNET", plan.Subnet()},
                                             {"$BLOCKED", Elements(JoinRanges(blocked.general))},
                                             {"$NODE", Elements(JoinRanges(blocked.node))}});
}

std::string RenderBlocklistUpdate(const std::string& table, const Blocklists& blocked) {
  return absl::StrCat(SetUpdate(table, "blocked", blocked.general),
                      SetUpdate(table, "node", blocked.node));
}

std::string RenderTableRemoval(const std::string& table) {
  return absl::StrCat("add table inet ", table, "\ndelete table inet ", table, "\n");
}

}  // namespace paddock::nodeagent
