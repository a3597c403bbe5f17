#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace paddock::nodeagent {

// A host with one TCP port.
struct HostPort {
  std::string host;
  int port = 0;
};

// What one session may reach. `kNone` is for what can't be applied: no network at all, never an
// open one.
struct NetworkPolicy {
  enum class Kind { kNone, kUnrestricted, kLimited };
  Kind kind = Kind::kNone;
  // Of kLimited. Bare hosts and `*.example.com`, lower-case A-labels; any TCP port.
  std::vector<std::string> hosts;
  std::vector<HostPort> host_ports;
};

// One connection or look-up that a session's policy let through or refused.
struct EgressEvent {
  int64_t sequence = 0;  // Rises within a session.
  absl::Time time;
  std::string name;     // As the session asked for it; empty if it didn't.
  std::string address;  // What was dialed, or what the session dialed.
  int port = 0;
  std::string protocol;  // "dns", "tcp", "udp", "tls", "http", "icmp".
  bool allowed = false;
  std::string reason;  // For people: what was refused and which setting would allow it.
  int64_t bytes_sent = 0;
  int64_t bytes_received = 0;
};

struct EgressPage {
  std::vector<EgressEvent> events;  // Oldest first.
  bool more = false;
};

// What became of a session's connections and look-ups since the gateway process started.
struct EgressCounts {
  int64_t allowed = 0;  // Connections.
  int64_t denied = 0;   // Connections, look-ups and packets.
  int64_t bytes_sent = 0;
  int64_t bytes_received = 0;
};

// One session as the gateway process knows it.
struct GatewaySession {
  std::string session_id;
  int64_t generation = 0;
  std::string address;  // The pair's IPv4.
  std::string router_veth;
  NetworkPolicy policy;
  bool fenced = false;  // A RESCHEDULE session: killed at the fence deadline.
  std::vector<std::string> cgroup_directories;  // What the fence kills.
};

// Counters since the gateway process started, and what is there now.
struct GatewayStats {
  int64_t sessions = 0;
  int64_t fenced_kills = 0;
  // By verdict: packets let through or refused in the router namespace ("accepted",
  // "denied_blocklist", "denied_sibling", "denied_spoofed", ...). Counts since the rules were made.
  std::map<std::string, int64_t> verdict_packets;
  // By outcome: "forwarded", "answered", "blocked", "refused", "failed", ...
  std::map<std::string, int64_t> dns_queries;
  // Connections and look-ups that met the policy of a limited session, by verdict: "allowed",
  // "denied_name", "denied_port", "denied_sni", "denied_http", "denied_address", ...
  std::map<std::string, int64_t> egress_verdicts;
  std::map<std::string, EgressCounts> session_egress;  // By session id.
  int64_t open_connections = 0;                        // Relayed ones.
  // What the self-test of egress found wrong with this machine, in words for its operator
  // ("net.ipv4 .ip_forward is 0", "chain FORWARD drops by default", ...). Empty when all is well.
  std::vector<std::string> problems;
};

// The agent's side of the gateway process (`nodeagent gateway`), over its local socket.
// Thread-safe. Every call has a deadline of its own; UNAVAILABLE when the process doesn't answer.
class GatewayClient {
 public:
  virtual ~GatewayClient() = default;
  // Persists, then applies. In force when it returns OK. Same session id replaces. Idempotent.
  // FAILED_PRECONDITION for a fenced session while no fence deadline lies ahead: RenewFence first.
  virtual absl::Status PutSession(const GatewaySession& session) = 0;
  // OK if it isn't there.
  virtual absl::Status RemoveSession(const std::string& session_id) = 0;
  virtual absl::StatusOr<std::vector<GatewaySession>> ListSessions() = 0;
  // Sets the time after which RESCHEDULE sessions are killed, by CLOCK_BOOTTIME: `sent_at` (boot
  // time when the acknowledged heartbeat was sent) + `fence_after`. Never moves backwards.
  virtual absl::Status RenewFence(absl::Duration sent_at, absl::Duration fence_after) = 0;
  // Sessions that the fence killed since they were put; the agent reports them.
  virtual absl::StatusOr<std::vector<std::string>> ListFenced() = 0;
  virtual absl::StatusOr<GatewayStats> Stats() = 0;
  // Events of a session with a sequence above `after_sequence` (0: from the oldest that is kept),
  // at most `limit`. An open connection has an event from time to time, with the bytes so far.
  // NOT_FOUND for an unknown session.
  virtual absl::StatusOr<EgressPage> ListEgress(const std::string& session_id,
                                                int64_t after_sequence, int limit) = 0;
};

}  // namespace paddock::nodeagent
