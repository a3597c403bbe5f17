#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/egress/connection_table.h"
#include "nodeagent/egress/control_server.h"
#include "nodeagent/egress/deadlines.h"
#include "nodeagent/egress/dns_forwarder.h"
#include "nodeagent/egress/egress_server.h"
#include "nodeagent/egress/egress_services.h"
#include "nodeagent/egress/egress_sessions.h"
#include "nodeagent/egress/event_loop.h"
#include "nodeagent/egress/fence.h"
#include "nodeagent/egress/gateway_client.h"
#include "nodeagent/egress/gateway_options.h"
#include "nodeagent/egress/host_resolver.h"
#include "nodeagent/egress/look_up_judge.h"
#include "nodeagent/egress/packet_log.h"
#include "nodeagent/egress/resolvers.h"
#include "nodeagent/egress/session_table.h"
#include "nodeagent/net/blocklist.h"
#include "nodeagent/net/netlink_socket.h"
#include "nodeagent/net/network_plan.h"
#include "nodeagent/net/nft.h"
#include "nodeagent/net/session_elements.h"

namespace paddock::nodeagent {

// The gateway process itself: holds the router namespace, keeps its rules as the session table, the
// operator's file and the machine's addresses say, serves names, relays what limited sessions
// connect to, and is the fence. Single-threaded;
// in the host's network namespace but for the sockets that it opened inside the router's.
class Gateway {
 public:
  // Brings everything up: from then on the sessions of the table have their network.
  static absl::StatusOr<std::unique_ptr<Gateway>> Create(const GatewayOptions& options);
  // Serves until it is stopped. Rules, namespace and sessions stay as they are.
  absl::Status Run();
  // Stops once `fd` is readable.
  absl::Status StopOn(int fd) {
    return loop_->Add(fd, EPOLLIN, [this](uint32_t) { loop_->Stop(); });
  }

 private:
  Gateway(const GatewayOptions& options, const NetworkPlan& plan, SessionTable table)
      : options_(options),
        plan_(plan),
        table_(std::move(table)),
        sessions_(options.NamesDir(), options.EventsDir(), Clock::Real()),
        operator_file_(options.operator_file),
        resolv_conf_(options.resolv_conf) {}

  absl::Status SetUp(const std::string& boot_id);
  absl::Status SetUpRouter();
  // What has to be opened in the router namespace, and is served from outside.
  struct RouterSockets {
    UniqueFd dns_udp;
    UniqueFd dns_tcp;
    UniqueFd egress;
  };
  absl::StatusOr<RouterSockets> OpenInsideRouter(int router_netns);
  // Takes the sessions of the table up; those whose policy can't be applied have no network.
  absl::Status RestoreSessions(RouterRules* rules);
  absl::Status SetUpHost();
  absl::Status StartDns(UniqueFd udp, UniqueFd tcp);
  absl::Status StartEgress(UniqueFd listener);
  // The events of what an earlier process relayed when it ended.
  void ReportCut(const std::vector<ConnectionTable::Entry>& cut);

  // Requests. The answer always has "code" and "message".
  std::string Answer(const std::string& request);
  absl::StatusOr<nlohmann::json> Dispatch(const nlohmann::json& request);
  absl::Status PutSession(const GatewaySession& session);
  absl::Status RemoveSession(const std::string& session_id);
  absl::Status Configure(const nlohmann::json& request);
  nlohmann::json ListSessions() const;
  nlohmann::json ListFenced() const;
  absl::StatusOr<nlohmann::json> ListEgress(const nlohmann::json& request) const;
  GatewayStats Stats();

  void OnRefusedPacket(const RefusedPacket& packet);
  bool IsBlocked(uint32_t address) const;
  // Once a second: files that changed, our table on the host.
  void Housekeep();
  void ReadOperatorFile();
  void ReadResolvConf();
  // Works the blocklists out again and applies them where they differ.
  absl::Status UpdateBlocklists();
  absl::StatusOr<Blocklists> WorkOutBlocklists();
  // Where to let a session out; nullopt for nowhere.
  struct Outlet {
    SessionSet set;
    SessionElement element;
  };
  static std::optional<Outlet> OutletOf(const GatewaySession& session);

  GatewayOptions options_;
  const NetworkPlan plan_;
  SessionTable table_;
  EgressSessions sessions_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Deadlines> deadlines_;
  std::optional<Nft> router_nft_;
  std::optional<Nft> host_nft_;
  std::optional<SessionElements> elements_;
  std::optional<NetlinkSocket> address_monitor_;
  std::unique_ptr<Fence> fence_;
  std::unique_ptr<LookUpJudge> look_up_judge_;
  std::unique_ptr<DnsForwarder> dns_;
  std::unique_ptr<HostResolver> resolver_;
  EgressServices services_;
  std::optional<ConnectionTable> connections_;
  std::unique_ptr<EgressServer> egress_;
  std::unique_ptr<PacketLog> packet_log_;
  std::optional<NetlinkSocket> router_links_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<LoopTimer> housekeeping_;
  WatchedFile operator_file_;
  WatchedFile resolv_conf_;
  OperatorRules operator_rules_;
  Blocklists blocked_;
  std::string operator_problem_;  // Why the operator's file isn't in force; empty if it is.
  bool has_resolvers_ = false;
};

}  // namespace paddock::nodeagent
