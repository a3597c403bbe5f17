#include "nodeagent/egress/dns_upstream.h"

#include <sys/random.h>
#include <time.h>

#include <cerrno>
#include <utility>

#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

constexpr int64_t kAttemptNanoseconds = 1'500'000'000;
constexpr int kAttempts = 3;
constexpr size_t kMaxDatagram = 65535;

uint16_t RandomId() {
  uint16_t id = 0;
  if (getrandom(&id, sizeof(id), 0) != sizeof(id)) return 0;
  return id;
}

}  // namespace

DnsUpstream::DnsUpstream(EventLoop* loop, DnsQuery query, DnsTransport transport,
                         std::vector<ResolverAddress> resolvers, Done done)
    : loop_(loop),
      query_(std::move(query)),
      transport_(transport),
      resolvers_(std::move(resolvers)),
      done_(std::move(done)) {}

DnsUpstream::~DnsUpstream() { Close(); }

absl::Status DnsUpstream::Start() {
  PADDOCK_ASSIGN_OR_RETURN(timer_,
                           LoopTimer::Create(loop_, CLOCK_MONOTONIC, [this] { TryNext(); }));
  timer_->ArmAfter(0);
  return absl::OkStatus();
}

void DnsUpstream::TryNext() {
  Close();
  if (attempt_ == kAttempts || resolvers_.empty()) {
    Finish("");
    return;
  }
  const ResolverAddress& resolver = resolvers_[attempt_++ % resolvers_.size()];
  // A resolver that can't be reached at all costs no waiting.
  timer_->ArmAfter(Open(resolver) ? kAttemptNanoseconds : 0);
}

bool DnsUpstream::Open(const ResolverAddress& resolver) {
  bool udp = transport_ == DnsTransport::kUdp;
  socket_.reset(socket(resolver.address.ss_family,
                       (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto* address = reinterpret_cast<const sockaddr*>(&resolver.address);
  if (!socket_.valid()) return false;
  if (connect(socket_.get(), address, resolver.size) < 0 && errno != EINPROGRESS) return false;
  id_ = RandomId();
  std::string packet = BuildDnsQuery(query_, id_);
  uint32_t events = EPOLLIN;
  if (udp) {
    if (send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return false;
  } else {
    outgoing_ = {static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
    outgoing_ += packet;
    incoming_.clear();
    events |= EPOLLOUT;
  }
  return loop_->Add(socket_.get(), events, [this](uint32_t ready) { OnEvent(ready); }).ok();
}

void DnsUpstream::OnEvent(uint32_t events) {
  if (transport_ == DnsTransport::kUdp) {
    ReadDatagram();
  } else {
    OnStream(events);
  }
}

void DnsUpstream::ReadDatagram() {
  std::string packet(kMaxDatagram, '\0');
  ssize_t size = recv(socket_.get(), packet.data(), packet.size(), 0);
  if (size < 0) {
    if (errno != EAGAIN && errno != EINTR) TryNext();  // Refused by an ICMP error.
    return;
  }
  packet.resize(size);
  // Anything else is late or forged: the right answer may still come.
  if (IsDnsAnswer(packet, query_, id_)) Finish(std::move(packet));
}

void DnsUpstream::OnStream(uint32_t events) {
  if (events & EPOLLOUT && !outgoing_.empty()) {
    ssize_t sent = send(socket_.get(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return TryNext();
    if (sent > 0) outgoing_.erase(0, sent);
    if (outgoing_.empty()) loop_->Change(socket_.get(), EPOLLIN).IgnoreError();
    return;
  }
  char buffer[16384];
  ssize_t size = recv(socket_.get(), buffer, sizeof(buffer), 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return TryNext();
  incoming_.append(buffer, size);
  if (incoming_.size() < 2) return;
  size_t length = static_cast<uint8_t>(incoming_[0]) << 8 | static_cast<uint8_t>(incoming_[1]);
  if (incoming_.size() < 2 + length) return;
  std::string packet = incoming_.substr(2, length);
  if (!IsDnsAnswer(packet, query_, id_)) return TryNext();
  Finish(std::move(packet));
}

void DnsUpstream::Close() {
  if (!socket_.valid()) return;
  loop_->Remove(socket_.get());
  socket_.reset();
}

void DnsUpstream::Finish(std::string answer) {
  Close();
  timer_->Disarm();
  SetDnsId(&answer, query_.id);
  Done done = std::exchange(done_, nullptr);
  if (done) done(std::move(answer));  // May destroy this object: nothing comes after.
}

}  // namespace paddock::nodeagent
