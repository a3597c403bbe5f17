#include "nodeagent/egress/dns_forwarder.h"

#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <utility>

#include "absl/time/time.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/egress/dns_answer.h"
#include "nodeagent/egress/fair_bound.h"

namespace paddock::nodeagent {
namespace {

constexpr int kDatagramsAtOnce = 64;  // Before others get their turn.
constexpr size_t kMaxQuery = 4096;
constexpr FairBound kLookUps(2048, 128);
constexpr FairBound kConnections(1024, 16);
// Whatever the bounds of clients come to.
constexpr size_t kMaxInFlight = 6144;
constexpr size_t kMaxConnections = 4096;
constexpr absl::Duration kIdle = absl::Seconds(10);
constexpr int64_t kIdleCheckNanoseconds = 2'000'000'000;
constexpr uint32_t kTtlSeconds = 60;  // Of answers of ours.
constexpr char kTooMany[] = "too many look-ups at once";

}  // namespace

// One connection; its requests are answered one after the other.
struct DnsForwarder::TcpClient {
  UniqueFd fd;
  uint64_t id = 0;  // Tells it from a later one with the same descriptor.
  uint32_t address = 0;
  std::string incoming;
  std::string outgoing;
  bool busy = false;  // A request is in flight.
  absl::Duration last_active;
};

DnsForwarder::DnsForwarder(EventLoop* loop, UniqueFd udp, UniqueFd tcp, DnsPolicy* policy)
    : loop_(loop), udp_(std::move(udp)), tcp_(std::move(tcp)), policy_(policy) {}

absl::StatusOr<std::unique_ptr<DnsForwarder>> DnsForwarder::Create(EventLoop* loop, UniqueFd udp,
                                                                   UniqueFd tcp,
                                                                   DnsPolicy* policy) {
  std::unique_ptr<DnsForwarder> forwarder(
      new DnsForwarder(loop, std::move(udp), std::move(tcp), policy));
  DnsForwarder* self = forwarder.get();
  PADDOCK_RETURN_IF_ERROR(
      loop->Add(self->udp_.get(), EPOLLIN, [self](uint32_t) { self->ReadDatagrams(); }));
  PADDOCK_RETURN_IF_ERROR(
      loop->Add(self->tcp_.get(), EPOLLIN, [self](uint32_t) { self->AcceptClients(); }));
  PADDOCK_ASSIGN_OR_RETURN(self->idle_timer_, LoopTimer::Create(loop, CLOCK_MONOTONIC, [self] {
                             self->DropIdleClients();
                           }));
  self->idle_timer_->ArmEvery(kIdleCheckNanoseconds);
  return forwarder;
}

DnsForwarder::~DnsForwarder() {
  while (!clients_.empty()) DropClient(clients_.begin()->first);
  loop_->Remove(udp_.get());
  loop_->Remove(tcp_.get());
}

void DnsForwarder::SetResolvers(std::vector<ResolverAddress> resolvers) {
  resolvers_ = std::move(resolvers);
}

void DnsForwarder::ReadDatagrams() {
  char buffer[kMaxQuery];
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    sockaddr_in from = {};
    socklen_t from_size = sizeof(from);
    ssize_t size = recvfrom(udp_.get(), buffer, sizeof(buffer), 0,
                            reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0) return;
    Handle(ntohl(from.sin_addr.s_addr), absl::string_view(buffer, size), DnsTransport::kUdp,
           [this, from](std::string answer) {
             // A full socket buffer loses it, as networks do.
             sendto(udp_.get(), answer.data(), answer.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&from), sizeof(from));
           });
  }
}

void DnsForwarder::Handle(uint32_t client, absl::string_view packet, DnsTransport transport,
                          Reply reply) {
  if (!policy_->Serves(client)) {
    ++counts_["ignored"];
    return;
  }
  absl::StatusOr<DnsQuery> query = ParseDnsQuery(packet);
  if (!query.ok()) {
    policy_->OnRefused(client, query.status().message());
    bool silent = absl::IsOutOfRange(query.status());
    ++counts_[silent ? "ignored" : "malformed"];
    if (silent) return;
    bool unknown = absl::IsUnimplemented(query.status());
    DnsRcode rcode = unknown ? DnsRcode::kNotImplemented : DnsRcode::kFormatError;
    return reply(BuildDnsErrorForPacket(packet, rcode));
  }
  DnsDecision decision = policy_->Judge(client, *query);
  if (decision.verdict == DnsVerdict::kIgnore) {
    ++counts_["ignored"];
    return;
  }
  if (decision.verdict == DnsVerdict::kAddress) {
    return AnswerAddress(*query, decision.address, reply);
  }
  if (decision.verdict == DnsVerdict::kBlocked) {
    // Not "refused": the C library would take that for a broken server and try for seconds.
    ++counts_["blocked"];
    return reply(BuildDnsError(*query, DnsRcode::kNoSuchName));
  }
  if (query->type == kDnsTypeAxfr || query->type == kDnsTypeIxfr) {
    ++counts_["refused"];
    return reply(BuildDnsError(*query, DnsRcode::kRefused));
  }
  Forward(client, *query, transport, std::move(reply));
}

void DnsForwarder::AnswerAddress(const DnsQuery& query, uint32_t address, const Reply& reply) {
  bool internet = query.dns_class == kDnsClassIn;
  if (internet && query.type == kDnsTypeA) {
    ++counts_["answered"];
    return reply(BuildDnsAddress(query, address, kTtlSeconds));
  }
  if (internet && query.type == kDnsTypeAaaa) {
    ++counts_["answered"];
    return reply(BuildDnsEmpty(query));
  }
  ++counts_["refused"];
  reply(BuildDnsError(query, DnsRcode::kRefused));
}

void DnsForwarder::Forward(uint32_t client, const DnsQuery& query, DnsTransport transport,
                           Reply reply) {
  if (!Admit(client)) {
    ++counts_["overloaded"];
    policy_->OnRefused(client, kTooMany);
    return reply(BuildDnsError(query, DnsRcode::kServerFailure));
  }
  uint64_t key = ++last_upstream_;
  auto done = [this, client, query, key, reply = std::move(reply)](const std::string& answer) {
    Finish(client);
    // This closure lies in what is erased: keep what is needed.
    auto upstream = upstreams_.extract(key);
    reply(Judged(client, query, answer));
  };
  auto upstream = std::make_unique<DnsUpstream>(loop_, query, transport, resolvers_, done);
  absl::Status started = upstream->Start();
  upstreams_[key] = std::move(upstream);
  if (!started.ok()) done("");
}

std::string DnsForwarder::Judged(uint32_t client, const DnsQuery& query,
                                 const std::string& answer) {
  if (answer.empty()) {
    ++counts_["failed"];
    return BuildDnsError(query, DnsRcode::kServerFailure);
  }
  bool blocked = policy_->JudgeAnswer(client, query, answer) == DnsVerdict::kBlocked;
  ++counts_[blocked ? "blocked" : "forwarded"];
  return blocked ? BuildDnsError(query, DnsRcode::kNoSuchName) : answer;
}

bool DnsForwarder::Admit(uint32_t client) {
  if (upstreams_.size() >= kMaxInFlight) return false;
  int most = kLookUps.Of(static_cast<int64_t>(upstreams_.size()));
  int& count = in_flight_[client];
  if (count >= most) return false;
  ++count;
  return true;
}

void DnsForwarder::Finish(uint32_t client) {
  auto count = in_flight_.find(client);
  if (count != in_flight_.end() && --count->second == 0) in_flight_.erase(count);
}

void DnsForwarder::AcceptClients() {
  while (true) {
    sockaddr_in from = {};
    socklen_t size = sizeof(from);
    UniqueFd fd(accept4(tcp_.get(), reinterpret_cast<sockaddr*>(&from), &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    uint32_t address = ntohl(from.sin_addr.s_addr);
    int most = kConnections.Of(static_cast<int64_t>(clients_.size()));
    bool full = clients_.size() >= kMaxConnections || tcp_connections_[address] >= most;
    bool served = policy_->Serves(address);
    if (full || !served) {
      ++counts_[full ? "overloaded" : "ignored"];
      if (served) policy_->OnRefused(address, kTooMany);
      if (tcp_connections_[address] == 0) tcp_connections_.erase(address);
      continue;
    }
    int number = fd.get();
    auto client = std::make_unique<TcpClient>();
    client->fd = std::move(fd);
    client->id = ++last_client_;
    client->address = address;
    client->last_active = Clock::Real()->Monotonic();
    if (!loop_->Add(number, EPOLLIN, [this, number](uint32_t e) { OnClient(number, e); }).ok()) {
      continue;
    }
    ++tcp_connections_[address];
    clients_[number] = std::move(client);
  }
}

void DnsForwarder::OnClient(int fd, uint32_t events) {
  TcpClient& client = *clients_.at(fd);
  client.last_active = Clock::Real()->Monotonic();
  if (events & EPOLLOUT) {
    WriteClient(client);
  } else {
    ReadClient(client);
  }
}

void DnsForwarder::ReadClient(TcpClient& client) {
  char buffer[kMaxQuery];
  ssize_t size = recv(client.fd.get(), buffer, sizeof(buffer), 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return DropClient(client.fd.get());
  client.incoming.append(buffer, size);
  NextRequest(client);
}

// Takes the next whole request out of what came in. While one is in flight, the socket isn't read,
// so a client can't pile up requests here.
void DnsForwarder::NextRequest(TcpClient& client) {
  if (client.busy || client.incoming.size() < 2) return;
  size_t length =
      static_cast<uint8_t>(client.incoming[0]) << 8 | static_cast<uint8_t>(client.incoming[1]);
  if (length > kMaxQuery) {
    policy_->OnRefused(client.address, "longer than any look-up");
    return DropClient(client.fd.get());
  }
  if (client.incoming.size() < 2 + length) return;
  std::string packet = client.incoming.substr(2, length);
  client.incoming.erase(0, 2 + length);
  client.busy = true;
  int fd = client.fd.get();
  loop_->Change(fd, 0).IgnoreError();
  auto answered = std::make_shared<bool>(false);
  uint64_t id = client.id;
  Handle(client.address, packet, DnsTransport::kTcp,
         [this, fd, id, answered](const std::string& answer) {
           *answered = true;
           auto found = clients_.find(fd);
           if (found == clients_.end() || found->second->id != id) return;
           if (answer.empty() || answer.size() > 65535) return DropClient(fd);
           std::string& out = found->second->outgoing;
           out = {static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size())};
           out += answer;
           loop_->Change(fd, EPOLLOUT).IgnoreError();
         });
  // What deserves no answer ends the connection.
  bool in_flight = in_flight_.contains(client.address);
  if (!*answered && !in_flight) DropClient(fd);
}

void DnsForwarder::WriteClient(TcpClient& client) {
  ssize_t sent =
      send(client.fd.get(), client.outgoing.data(), client.outgoing.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return;
  if (sent < 0) return DropClient(client.fd.get());
  client.outgoing.erase(0, sent);
  if (!client.outgoing.empty()) return;
  client.busy = false;
  loop_->Change(client.fd.get(), EPOLLIN).IgnoreError();
  NextRequest(client);
}

void DnsForwarder::DropClient(int fd) {
  auto client = clients_.find(fd);
  if (client == clients_.end()) return;
  auto count = tcp_connections_.find(client->second->address);
  if (count != tcp_connections_.end() && --count->second == 0) tcp_connections_.erase(count);
  loop_->Remove(fd);
  clients_.erase(client);
}

void DnsForwarder::DropIdleClients() {
  absl::Duration now = Clock::Real()->Monotonic();
  std::vector<int> idle;
  for (const auto& [fd, client] : clients_) {
    if (now - client->last_active > kIdle) idle.push_back(fd);
  }
  for (int fd : idle) DropClient(fd);
}

}  // namespace paddock::nodeagent
