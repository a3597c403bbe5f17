#include "tests/privileged/pretend_internet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/clock.h"
#include "nodeagent/net/network_namespace.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

constexpr int kDnsPort = 53;

absl::Duration Now() { return Clock::Real()->Monotonic(); }

sockaddr_in AddressOf(const std::string& address, int port) {
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  return name;
}

Reach ReachOf(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
      return Reach::kRefused;
    case EHOSTUNREACH:
    case EACCES:
      return Reach::kProhibited;
    case ENETUNREACH:
      return Reach::kNoRoute;
    case ETIMEDOUT:
    case EAGAIN:
      return Reach::kSilence;
    default:
      return Reach::kOther;
  }
}

bool Await(int fd, short events, absl::Duration deadline) {
  absl::Duration left = deadline - Now();
  if (left < absl::ZeroDuration()) left = absl::ZeroDuration();
  pollfd poller = {fd, events, 0};
  return poll(&poller, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) == 1;
}

// Connects; the errno of the failure, 0 for success.
int ConnectBefore(int fd, const sockaddr_in& name, absl::Duration deadline) {
  if (connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!Await(fd, POLLOUT, deadline)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

Attempt Exchange(int type, const std::string& address, int port, absl::Duration timeout) {
  absl::Duration start = Now();
  Attempt attempt;
  auto finish = [&](Reach reach) {
    attempt.reach = reach;
    attempt.took = Now() - start;
    return attempt;
  };
  UniqueFd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int error = ConnectBefore(fd.get(), AddressOf(address, port), start + timeout);
  if (error != 0) return finish(ReachOf(error));
  if (type == SOCK_DGRAM && send(fd.get(), "ping", 4, MSG_NOSIGNAL) < 0) {
    return finish(ReachOf(errno));
  }
  if (!Await(fd.get(), POLLIN, start + timeout)) return finish(Reach::kSilence);
  char buffer[256];
  ssize_t size = recv(fd.get(), buffer, sizeof(buffer), 0);
  if (size <= 0) return finish(size == 0 ? Reach::kRefused : ReachOf(errno));
  attempt.answer.assign(buffer, size);
  return finish(Reach::kAnswered);
}

UniqueFd Listen(int type, int port) {
  UniqueFd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in name = AddressOf("0.0.0.0", port);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0) << strerror(errno);
  setsockopt(fd.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
  if (type == SOCK_STREAM) {
    EXPECT_EQ(listen(fd.get(), 128), 0);
  }
  return fd;
}

// A datagram, and the address that it was sent to, which its answer must come from.
ssize_t ReceiveFrom(int fd, char* buffer, size_t size, sockaddr_in* from, in_pktinfo* arrived) {
  iovec data = {buffer, size};
  alignas(cmsghdr) char control[256];
  msghdr message = {};
  message.msg_name = from;
  message.msg_namelen = sizeof(*from);
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t received = recvmsg(fd, &message, 0);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); received >= 0 && header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_type == IP_PKTINFO) memcpy(arrived, CMSG_DATA(header), sizeof(*arrived));
  }
  return received;
}

void AnswerFrom(int fd, const std::string& answer, sockaddr_in to, const in_pktinfo& arrived) {
  iovec data = {const_cast<char*>(answer.data()), answer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
  msghdr message = {};
  message.msg_name = &to;
  message.msg_namelen = sizeof(to);
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info = {};
  info.ipi_spec_dst = arrived.ipi_addr;
  memcpy(CMSG_DATA(header), &info, sizeof(info));
  sendmsg(fd, &message, MSG_NOSIGNAL);
}

std::string QuestionFor(const std::string& name) {
  std::string packet("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  for (absl::string_view label : absl::StrSplit(name, '.', absl::SkipEmpty())) {
    packet.push_back(static_cast<char>(label.size()));
    packet.append(label.data(), label.size());
  }
  return packet + std::string("\0\0\1\0\1", 5);
}

// The answer of the test's name server: one A record for every name.
std::string AnswerTo(const std::string& query) {
  bool rebinding = absl::StrContains(query, "rebind");
  sockaddr_in target =
      AddressOf(rebinding ? PretendInternet::kMetadata : PretendInternet::kOutside, 0);
  std::string answer = query;
  if (answer.size() < 12) return "";
  answer[2] = static_cast<char>(0x81);
  answer[3] = static_cast<char>(0x80);
  answer[7] = 1;
  answer += std::string("\xc0\x0c\0\1\0\1\0\0\0\0\0\4", 12);
  return answer.append(reinterpret_cast<const char*>(&target.sin_addr), 4);
}

std::string Framed(const std::string& packet) {
  std::string frame = {static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
  return frame + packet;
}

}  // namespace

void BecomePretendHost() {
  static bool done = false;
  if (done) return;
  done = true;
  ASSERT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << strerror(errno);
  ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << strerror(errno);
  ASSERT_EQ(mount("tmpfs", "/run", "tmpfs", 0, nullptr), 0) << strerror(errno);
  MustRun("ip link set lo up");
  MustRun("sysctl -qw net.ipv4.ip_forward=0");  // Inherited from the real host.
}

void RunInNamespace(int netns, const std::function<void()>& action) {
  std::thread([&] {
    ASSERT_EQ(setns(netns, CLONE_NEWNET), 0) << strerror(errno);
    action();
  }).join();
}

void MustRun(const std::string& command) {
  SpawnSpec spec;
  spec.argv = absl::StrSplit(command, ' ');
  absl::StatusOr<std::string> output = RunChecked(spec);
  ASSERT_TRUE(output.ok()) << command << ": " << output.status();
}

std::string ToString(Reach reach) {
  constexpr const char* kNames[] = {"answered", "refused",  "prohibited",
                                    "silence",  "no route", "other"};
  return kNames[static_cast<int>(reach)];
}

Attempt TryTcp(const std::string& address, int port, absl::Duration timeout) {
  return Exchange(SOCK_STREAM, address, port, timeout);
}

Attempt TryUdp(const std::string& address, int port, absl::Duration timeout) {
  return Exchange(SOCK_DGRAM, address, port, timeout);
}

bool TryPing(const std::string& address, absl::Duration timeout) {
  UniqueFd fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  icmphdr echo = {};
  echo.type = ICMP_ECHO;
  echo.un.echo.id = htons(7);
  echo.checksum = static_cast<uint16_t>(~(echo.type + echo.un.echo.id));
  sockaddr_in name = AddressOf(address, 0);
  sendto(fd.get(), &echo, sizeof(echo), 0, reinterpret_cast<sockaddr*>(&name), sizeof(name));
  absl::Duration deadline = Now() + timeout;
  while (Await(fd.get(), POLLIN, deadline)) {
    char packet[256];
    ssize_t size = recv(fd.get(), packet, sizeof(packet), 0);
    if (size >= 28 && packet[20] == ICMP_ECHOREPLY) return true;
  }
  return false;
}

LookUp TryLookUp(const std::string& server, const std::string& name, bool tcp,
                 absl::Duration timeout) {
  LookUp result;
  absl::Duration start = Now();
  UniqueFd fd(socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (ConnectBefore(fd.get(), AddressOf(server, kDnsPort), start + timeout) != 0) return result;
  std::string packet = tcp ? Framed(QuestionFor(name)) : QuestionFor(name);
  if (send(fd.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return result;
  std::string answer;
  while (answer.size() < (tcp ? 2u : 1u) + 12) {
    if (!Await(fd.get(), POLLIN, start + timeout)) return result;
    char buffer[2048];
    ssize_t size = recv(fd.get(), buffer, sizeof(buffer), 0);
    if (size <= 0) return result;
    answer.append(buffer, size);
  }
  result.took = Now() - start;
  if (tcp) answer.erase(0, 2);
  if (answer.substr(0, 2) != "\x12\x34") return result;
  result.rcode = answer[3] & 15;
  if (answer[7] == 1 && answer.size() >= 4) {
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, answer.data() + answer.size() - 4, text, sizeof(text));
    result.address = text;
  }
  return result;
}

TestServers::TestServers()
    : tcp_(Listen(SOCK_STREAM, kEchoPort)),
      udp_(Listen(SOCK_DGRAM, kEchoPort)),
      dns_udp_(Listen(SOCK_DGRAM, kDnsPort)),
      dns_tcp_(Listen(SOCK_STREAM, kDnsPort)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this] { Serve(); });
}

TestServers::~TestServers() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

// One thread for all: pollers of listeners come first, those of clients after them.
void TestServers::Serve() {
  std::map<int, UniqueFd> clients;      // Echo.
  std::map<int, UniqueFd> dns_clients;  // Name server over TCP.
  while (true) {
    std::vector<pollfd> pollers = {{stop_.get(), POLLIN, 0}};
    for (int fd : {tcp_.get(), udp_.get(), dns_udp_.get(), dns_tcp_.get()}) {
      pollers.push_back({fd, POLLIN, 0});
    }
    for (const auto& [fd, client] : clients) pollers.push_back({fd, POLLIN, 0});
    for (const auto& [fd, client] : dns_clients) pollers.push_back({fd, POLLIN, 0});
    poll(pollers.data(), pollers.size(), -1);
    if (pollers[0].revents != 0) return;
    for (const pollfd& poller : pollers) {
      if (poller.revents == 0) continue;
      sockaddr_in from = {};
      socklen_t from_size = sizeof(from);
      auto* peer = reinterpret_cast<sockaddr*>(&from);
      char buffer[65536];
      if (poller.fd == tcp_.get() || poller.fd == dns_tcp_.get()) {
        UniqueFd client(accept4(poller.fd, peer, &from_size, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client.valid()) continue;
        int fd = client.get();
        if (poller.fd == dns_tcp_.get()) {
          dns_clients[fd] = std::move(client);
          continue;
        }
        ++tcp_connections_;
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text));
        send(fd, text, strlen(text), MSG_NOSIGNAL);
        clients[fd] = std::move(client);
      } else if (poller.fd == udp_.get() || poller.fd == dns_udp_.get()) {
        in_pktinfo arrived = {};
        ssize_t size = ReceiveFrom(poller.fd, buffer, sizeof(buffer), &from, &arrived);
        if (size < 0) continue;
        bool dns = poller.fd == dns_udp_.get();
        ++(dns ? look_ups_ : datagrams_);
        std::string answer(buffer, size);
        if (dns) answer = AnswerTo(answer);
        AnswerFrom(poller.fd, answer, from, arrived);
      } else {
        ssize_t size = recv(poller.fd, buffer, sizeof(buffer), 0);
        if (size <= 0) {
          clients.erase(poller.fd);
          dns_clients.erase(poller.fd);
          continue;
        }
        std::string answer(buffer, size);
        if (dns_clients.count(poller.fd) != 0 && size > 2) {
          ++look_ups_;
          answer = Framed(AnswerTo(answer.substr(2)));
        }
        send(poller.fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
    }
  }
}

PretendInternet::PretendInternet() {
  {
    auto inside = ScopedNetworkNamespace::EnterNew();
    EXPECT_TRUE(inside.ok());
    netns_ = *CurrentNetworkNamespace();
    MustRun("ip link set lo up");
    for (const char* address : {kOutside, kControlPlane, kPrivate, kMetadata, kTranslated,
                                "192.168.7.7", "100.64.0.9", "172.16.3.3"}) {
      MustRun(absl::StrCat("ip addr add ", address, "/32 dev lo"));
    }
    servers_ = std::make_unique<TestServers>();
  }
  // By descriptor: the namespace has no name.
  std::string there = absl::StrCat("/proc/", getpid(), "/fd/", netns_.get());
  MustRun("ip link add wan type veth peer name lan");
  MustRun("ip addr add 203.0.113.2/24 dev wan");
  MustRun("ip link set wan up");
  MustRun(absl::StrCat("ip link set lan netns ", there));
  RunInNamespace(netns_.get(), [] {
    MustRun("ip addr add 203.0.113.1/24 dev lan");
    MustRun("ip link set lan up");
  });
  MustRun("ip route add default via 203.0.113.1");
}

PretendInternet::~PretendInternet() {
  MustRun("ip link del wan");
  servers_.reset();
}

bool WaitUntil(const std::function<bool()>& condition, absl::Duration limit) {
  absl::Duration deadline = Now() + limit;
  while (!condition()) {
    if (Now() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace paddock::nodeagent
