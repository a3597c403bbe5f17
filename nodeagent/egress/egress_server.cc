#include "nodeagent/egress/egress_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/egress/egress_reasons.h"
#include "nodeagent/egress/relay_side.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/network_plan.h"
#include "nodeagent/system/errno_status.h"

namespace paddock::nodeagent {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsAtOnce = 64;  // Before others get their turn.
constexpr int64_t kReportNanoseconds = 1'000'000'000;
constexpr rlim_t kOtherDescriptors = 24 * 1024;  // Look-ups, rules, the agent's requests.
constexpr rlim_t kDescriptorsAtMost = 1 << 20;

// What the client connected to: the address that the packets were sent to.
sockaddr_in Destination(int fd) {
  sockaddr_in destination = {};
  socklen_t size = sizeof(destination);
  getsockname(fd, reinterpret_cast<sockaddr*>(&destination), &size);
  return destination;
}

void Reset(UniqueFd fd) {
  linger abort = {1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

}  // namespace

int RaiseConnectionLimit() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  // The hard limit, too, where that may be raised.
  rlimit most = {kDescriptorsAtMost, std::max(limit.rlim_max, kDescriptorsAtMost)};
  if (setrlimit(RLIMIT_NOFILE, &most) == 0) {
    limit = most;
  } else {
    limit.rlim_cur = std::min(limit.rlim_max, kDescriptorsAtMost);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  rlim_t spare = limit.rlim_cur > 2 * kOtherDescriptors ? limit.rlim_cur - kOtherDescriptors
                                                        : limit.rlim_cur / 2;
  return static_cast<int>(spare / 2);
}

absl::StatusOr<UniqueFd> OpenEgressListener() {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("making the egress listener");
  SetRelayOptions(fd.get());
  int on = 1;
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(NetworkPlan::kEgressPort);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
      setsockopt(fd.get(), IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0 ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)) < 0 ||
      listen(fd.get(), kBacklog) < 0) {
    return ErrnoStatus("listening for limited sessions");
  }
  return fd;
}

absl::StatusOr<std::unique_ptr<EgressServer>> EgressServer::Create(EgressServices* services,
                                                                   EgressSessions* sessions,
                                                                   UniqueFd listener,
                                                                   Limits limits) {
  std::unique_ptr<EgressServer> server(
      new EgressServer(services, sessions, std::move(listener), limits));
  EgressServer* self = server.get();
  PADDOCK_RETURN_IF_ERROR(
      services->loop->Add(self->listener_.get(), EPOLLIN, [self](uint32_t) { self->Accept(); }));
  PADDOCK_ASSIGN_OR_RETURN(self->reports_,
                           LoopTimer::Create(services->loop, CLOCK_MONOTONIC, [self] {
                             for (const auto& [id, connection] : self->connections_)
                               connection->Report();
                           }));
  self->reports_->ArmEvery(kReportNanoseconds);
  return server;
}

EgressServer::~EgressServer() {
  connections_.clear();
  services_->loop->Remove(listener_.get());
}

void EgressServer::Accept() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    sockaddr_in from = {};
    socklen_t size = sizeof(from);
    UniqueFd client(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client.valid()) return;
    sockaddr_in to = Destination(client.get());
    std::shared_ptr<EgressSession> session = sessions_->FindByAddress(ntohl(from.sin_addr.s_addr));
    if (session == nullptr || !session->policy) {
      Reset(std::move(client));
      continue;
    }
    Serve(std::move(client), session, ntohl(to.sin_addr.s_addr), ntohs(to.sin_port));
  }
}

void EgressServer::Serve(UniqueFd client, const std::shared_ptr<EgressSession>& session,
                         uint32_t address, int port) {
  std::string name(session->names.NameOf(address));
  bool full = connections() >= limits_.all;
  if (full || session->connections >= limits_.per_session) {
    ++services_->verdicts["denied_connections"];
    EgressEvent event;
    event.name = name;
    if (name.empty()) event.address = FormatIpv4(address);
    event.port = port;
    event.protocol = "tcp";
    event.reason = TooManyConnections(full ? limits_.all : limits_.per_session);
    session->Deny(std::move(event));
    return Reset(std::move(client));
  }
  EgressConnection* connection = Add(std::move(client), session, name, port);
  if (address == NetworkPlan::kSinkhole) {
    return connection->Refuse("denied_name", [this, session](const std::string& wanted) {
      return ExplainSinkhole(*session, wanted);
    });
  }
  if (name.empty()) {
    return connection->Refuse("denied_name", [address](const std::string& wanted) {
      return Explanation{wanted, FormatIpv4(address), NobodysAddress(address)};
    });
  }
  auto refuse = [&](const char* verdict, const std::string& reason) {
    connection->Refuse(verdict, [name, reason](const std::string&) {
      return Explanation{name, "", reason};
    });
  };
  if (services_->is_name_blocked(name)) return refuse("denied_blocklist", NameBlocked(name));
  // The policy may have been replaced since the name was looked up.
  if (!session->policy->AllowsName(name)) return refuse("denied_name", NameNotAllowed(name));
  if (!session->policy->Allows(name, port)) {
    return refuse("denied_port", PortNotAllowed(name, port));
  }
  connection->Relay();
}

// The client was told the sinkhole's address in place of a name that isn't allowed: the one that it
// says, else the newest.
EgressServer::Explanation EgressServer::ExplainSinkhole(const EgressSession& session,
                                                        const std::string& wanted) const {
  // A name that is allowed isn't why the client was sent here.
  std::string normal = NormalizeName(wanted);
  bool allowed =
      session.policy && session.policy->AllowsName(normal) && !services_->is_name_blocked(normal);
  std::string name = wanted.empty() || allowed ? session.last_denied_name : wanted;
  bool blocked = services_->is_name_blocked(NormalizeName(name));
  return {name, "", blocked ? NameBlocked(name) : NameNotAllowed(name)};
}

EgressConnection* EgressServer::Add(UniqueFd client, const std::shared_ptr<EgressSession>& session,
                                    const std::string& name, int port) {
  uint64_t id = ++last_id_;
  auto connection = std::make_unique<EgressConnection>(
      services_, session, std::move(client), name, port, [this, id] { connections_.erase(id); });
  EgressConnection* added = connection.get();
  connections_[id] = std::move(connection);
  return added;
}

std::vector<EgressConnection*> EgressServer::All() const {
  std::vector<EgressConnection*> all;
  for (const auto& [id, connection] : connections_) all.push_back(connection.get());
  return all;
}

void EgressServer::DropBlocked() {
  for (EgressConnection* connection : All()) connection->CutIfBlocked();
}

void EgressServer::ReportCut() {
  for (EgressConnection* connection : All()) connection->ReportCut();
}

void EgressServer::DropSession(const std::string& session_id) {
  std::vector<uint64_t> ids;
  for (const auto& [id, connection] : connections_) {
    if (connection->session().id != session_id) continue;
    connection->Abort();
    ids.push_back(id);
  }
  for (uint64_t id : ids) connections_.erase(id);
}

}  // namespace paddock::nodeagent
