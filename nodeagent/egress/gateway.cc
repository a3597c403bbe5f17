#include "nodeagent/egress/gateway.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <malloc.h>
#include <sys/socket.h>
#include <time.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/egress_reasons.h"
#include "nodeagent/net/forwarding.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/network_namespace.h"
#include "nodeagent/net/route_requests.h"
#include "nodeagent/net/router_network.h"
#include "nodeagent/system/boot_clock.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr uint16_t kDnsPort = 53;
constexpr int64_t kMuchMemory = 8 << 20;  // Worth giving back to the system.
constexpr int kDnsBacklog = 256;
constexpr int64_t kHousekeepingNanoseconds = 1'000'000'000;

absl::StatusOr<UniqueFd> BindDns(const std::string& address, int type) {
  UniqueFd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("making the name server's socket");
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(kDnsPort);
  PADDOCK_ASSIGN_OR_RETURN(uint32_t number, ParseIpv4(address));
  name.sin_addr.s_addr = htonl(number);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)) < 0 ||
      (type == SOCK_STREAM && listen(fd.get(), kDnsBacklog) < 0)) {
    return ErrnoStatus(absl::StrCat("serving names at ", address));
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Create(const GatewayOptions& options) {
  PADDOCK_ASSIGN_OR_RETURN(NetworkPlan plan, NetworkPlan::Create(options.instance, options.subnet));
  PADDOCK_ASSIGN_OR_RETURN(std::string boot_id, BootId());
  PADDOCK_ASSIGN_OR_RETURN(SessionTable table, SessionTable::Load(options.SessionsDir(), boot_id));
  std::unique_ptr<Gateway> gateway(new Gateway(options, plan, std::move(table)));
  PADDOCK_RETURN_IF_ERROR(gateway->SetUp(boot_id));
  return gateway;
}

absl::Status Gateway::Run() {
  absl::Status status = loop_->Run();
  egress_->ReportCut();
  sessions_.Flush();
  return status;
}

absl::Status Gateway::SetUp(const std::string& boot_id) {
  PADDOCK_ASSIGN_OR_RETURN(loop_, EventLoop::Create());
  // First of all: it must work even where the network can't be set up.
  PADDOCK_ASSIGN_OR_RETURN(fence_,
                           Fence::Create(loop_.get(), &table_, options_.FenceFile(), boot_id));
  PADDOCK_RETURN_IF_ERROR(SetUpRouter());
  Gateway* self = this;
  PADDOCK_ASSIGN_OR_RETURN(housekeeping_, LoopTimer::Create(loop_.get(), CLOCK_MONOTONIC,
                                                            [self] { self->Housekeep(); }));
  housekeeping_->ArmEvery(kHousekeepingNanoseconds);
  PADDOCK_ASSIGN_OR_RETURN(
      control_, ControlServer::Create(loop_.get(), options_.Socket(),
                                      [self](const std::string& r) { return self->Answer(r); }));
  return absl::OkStatus();
}

absl::Status Gateway::SetUpRouter() {
  operator_file_.Changed();
  ReadOperatorFile();
  resolv_conf_.Changed();
  PADDOCK_ASSIGN_OR_RETURN(address_monitor_, NetlinkSocket::Open(NETLINK_ROUTE));
  PADDOCK_RETURN_IF_ERROR(address_monitor_->Subscribe(RTNLGRP_IPV4_IFADDR));
  PADDOCK_ASSIGN_OR_RETURN(host_nft_, Nft::Create());
  PADDOCK_ASSIGN_OR_RETURN(blocked_, WorkOutBlocklists());
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd netns, EnsureRouterNamespace(plan_, options_.RouterNetns()));
  // Rules before any link leads out, and before any session is connected.
  PADDOCK_ASSIGN_OR_RETURN(RouterSockets sockets, OpenInsideRouter(netns.get()));
  RouterRules rules;
  rules.blocked = blocked_;
  rules.max_connections_per_session = options_.max_connections_per_session;
  PADDOCK_RETURN_IF_ERROR(RestoreSessions(&rules));
  PADDOCK_RETURN_IF_ERROR(router_nft_->Run(RenderRouterTable(plan_, rules)));
  PADDOCK_RETURN_IF_ERROR(host_nft_->Run(RenderHostTable(plan_, blocked_)));
  PADDOCK_RETURN_IF_ERROR(EnsureUplink(plan_, netns.get()));
  PADDOCK_RETURN_IF_ERROR(SharedForwarding().Acquire(plan_.instance()));
  PADDOCK_RETURN_IF_ERROR(StartEgress(std::move(sockets.egress)));
  PADDOCK_RETURN_IF_ERROR(StartDns(std::move(sockets.dns_udp), std::move(sockets.dns_tcp)));
  return loop_->Add(address_monitor_->fd(), EPOLLIN, [this](uint32_t) {
    address_monitor_->Drain();
    absl::Status status = UpdateBlocklists();
    if (!status.ok())
      LogError("following this machine's addresses", {{"error", status.ToString()}});
  });
}

absl::Status Gateway::RestoreSessions(RouterRules* rules) {
  std::vector<std::string> ids;
  for (const auto& [id, entry] : table_.All()) ids.push_back(id);
  PADDOCK_RETURN_IF_ERROR(sessions_.Prepare(ids));
  for (const auto& [id, entry] : table_.All()) {
    absl::Status known = sessions_.Put(entry.session, EgressSessions::Origin::kRestored);
    if (!known.ok()) {
      LogError("session has no network", {{"session_id", id}, {"error", known.ToString()}});
      continue;
    }
    std::optional<Outlet> outlet = OutletOf(entry.session);
    if (!outlet) continue;
    bool limited = entry.session.policy.kind == NetworkPolicy::Kind::kLimited;
    (limited ? rules->limited : rules->unrestricted).push_back(outlet->element);
  }
  return absl::OkStatus();
}

absl::StatusOr<Gateway::RouterSockets> Gateway::OpenInsideRouter(int router_netns) {
  RouterSockets sockets;
  PADDOCK_ASSIGN_OR_RETURN(ScopedNetworkNamespace inside,
                           ScopedNetworkNamespace::Enter(router_netns));
  PADDOCK_ASSIGN_OR_RETURN(router_nft_, Nft::Create());
  PADDOCK_ASSIGN_OR_RETURN(elements_, SessionElements::Open());
  PADDOCK_ASSIGN_OR_RETURN(router_links_, NetlinkSocket::Open(NETLINK_ROUTE));
  PADDOCK_ASSIGN_OR_RETURN(packet_log_,
                           PacketLog::Open(loop_.get(), [this](const RefusedPacket& packet) {
                             OnRefusedPacket(packet);
                           }));
  PADDOCK_ASSIGN_OR_RETURN(sockets.dns_udp, BindDns(plan_.GatewayAddress(), SOCK_DGRAM));
  PADDOCK_ASSIGN_OR_RETURN(sockets.dns_tcp, BindDns(plan_.GatewayAddress(), SOCK_STREAM));
  PADDOCK_ASSIGN_OR_RETURN(sockets.egress, OpenEgressListener());
  return sockets;
}

absl::Status Gateway::StartEgress(UniqueFd listener) {
  PADDOCK_ASSIGN_OR_RETURN(deadlines_, Deadlines::Create(loop_.get()));
  resolver_ = std::make_unique<HostResolver>(loop_.get());
  std::vector<ConnectionTable::Entry> cut;
  PADDOCK_ASSIGN_OR_RETURN(connections_, ConnectionTable::Open(options_.ConnectionsFile(), &cut));
  ReportCut(cut);
  services_.loop = loop_.get();
  services_.connections = &*connections_;
  services_.deadlines = deadlines_.get();
  services_.resolver = resolver_.get();
  services_.is_blocked = [this](uint32_t address) { return IsBlocked(address); };
  services_.is_name_blocked = [this](absl::string_view name) {
    return HostBlocked(operator_rules_, name);
  };
  EgressServer::Limits limits;
  limits.per_session = options_.max_connections_per_session;
  limits.all = RaiseConnectionLimit();
  PADDOCK_ASSIGN_OR_RETURN(
      egress_, EgressServer::Create(&services_, &sessions_, std::move(listener), limits));
  return absl::OkStatus();
}

absl::Status Gateway::StartDns(UniqueFd udp, UniqueFd tcp) {
  look_up_judge_ = std::make_unique<LookUpJudge>(&table_, &sessions_, &services_, &operator_rules_);
  PADDOCK_ASSIGN_OR_RETURN(dns_, DnsForwarder::Create(loop_.get(), std::move(udp), std::move(tcp),
                                                      look_up_judge_.get()));
  ReadResolvConf();
  return absl::OkStatus();
}

void Gateway::Housekeep() {
  sessions_.Flush();
  if (services_.held.peak - services_.held.now > kMuchMemory) {
    services_.held.peak = services_.held.now;
    malloc_trim(0);
  }
  if (resolv_conf_.Changed()) ReadResolvConf();
  if (operator_file_.Changed()) {
    ReadOperatorFile();
    absl::Status status = UpdateBlocklists();
    egress_->DropBlocked();  // Names may have come without any network.
    if (!status.ok()) LogError("applying the operator's file", {{"error", status.ToString()}});
  }
  // A reload of the host's firewall may have flushed it.
  std::string listing = absl::StrCat("list chain inet ", plan_.HostTable(), " postrouting");
  if (host_nft_->List(listing).ok()) return;
  LogWarning("our table on the host was removed; it is made again", {{"table", plan_.HostTable()}});
  absl::Status status = host_nft_->Run(RenderHostTable(plan_, blocked_));
  if (!status.ok()) LogError("making our table on the host", {{"error", status.ToString()}});
}

void Gateway::ReadResolvConf() {
  absl::StatusOr<std::string> text = ReadFile(options_.resolv_conf);
  std::vector<ResolverAddress> resolvers = ParseResolvConf(text.value_or(""));
  has_resolvers_ = !resolvers.empty();
  resolver_->SetResolvers(resolvers);
  dns_->SetResolvers(std::move(resolvers));
}

void Gateway::ReadOperatorFile() {
  operator_problem_.clear();
  services_.operator_file_refused = false;
  if (options_.operator_file.empty() || !PathExists(options_.operator_file)) {
    operator_rules_ = {};
    return;
  }
  absl::StatusOr<std::string> text = ReadFile(options_.operator_file);
  absl::StatusOr<OperatorRules> rules =
      text.ok() ? ParseOperatorRules(*text) : absl::StatusOr<OperatorRules>(text.status());
  if (rules.ok()) {
    operator_rules_ = *std::move(rules);
    return;
  }
  // What the operator wants blocked isn't known: nothing may pass.
  operator_problem_ = absl::StrCat(options_.operator_file, ": ", rules.status().message(),
                                   "; until this is mended no sandbox reaches anything");
  services_.operator_file_refused = true;
  LogError("operator's network file is refused", {{"error", operator_problem_}});
  operator_rules_ = {};
  operator_rules_.block.push_back({0, 0xffffffff});
}

absl::StatusOr<Blocklists> Gateway::WorkOutBlocklists() {
  Blocklists lists;
  lists.general = EffectiveBlocklist(operator_rules_);
  PADDOCK_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(NETLINK_ROUTE));
  PADDOCK_ASSIGN_OR_RETURN(std::vector<uint32_t> addresses, ListAddresses(socket));
  for (uint32_t address : addresses) lists.node.push_back({address, address});
  for (const std::string& text : options_.blocked) {
    PADDOCK_ASSIGN_OR_RETURN(Ipv4Range range, ParseIpv4Network(text));
    lists.node.push_back(range);
  }
  lists.node = MergeRanges(std::move(lists.node));
  return lists;
}

absl::Status Gateway::UpdateBlocklists() {
  PADDOCK_ASSIGN_OR_RETURN(Blocklists lists, WorkOutBlocklists());
  if (lists.general == blocked_.general && lists.node == blocked_.node) return absl::OkStatus();
  PADDOCK_RETURN_IF_ERROR(
      router_nft_->Run(RenderBlocklistUpdate(NetworkPlan::kRouterTable, lists)));
  blocked_ = std::move(lists);
  egress_->DropBlocked();
  return host_nft_->Run(RenderHostTable(plan_, blocked_));
}

}  // namespace paddock::nodeagent
