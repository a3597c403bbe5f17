#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "nodeagent/net/ipv4.h"
#include "nodeagent/net/nft.h"
#include "nodeagent/system/file.h"
#include "tests/privileged/gateway_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GatewayTest : public GatewayFixture {};

// A refusal that a program sees at once, and nothing behind it noticed.
#define EXPECT_REFUSED(attempt)                                                      \
  do {                                                                               \
    Attempt tried = (attempt);                                                       \
    EXPECT_TRUE(tried.reach == Reach::kRefused || tried.reach == Reach::kProhibited) \
        << ToString(tried.reach);                                                    \
    EXPECT_LT(tried.took, absl::Seconds(1));                                         \
  } while (false)

TEST_F(GatewayTest, UnrestrictedReachesTheOutsideAndNames) {
  NamespacePair pair = Connect("sesn_a");
  Attempt tcp = Tcp(pair, PretendInternet::kOutside);
  EXPECT_EQ(tcp.reach, Reach::kAnswered) << ToString(tcp.reach);
  EXPECT_EQ(tcp.answer, PretendInternet::kHost) << "it goes out under the host's address";
  EXPECT_EQ(Udp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  RunInNamespace(pair.netns.get(), [] { EXPECT_TRUE(TryPing(PretendInternet::kOutside)); });
  for (bool tcp_look_up : {false, true}) {
    LookUp look_up = Resolve(pair, "www.example.test", tcp_look_up);
    EXPECT_EQ(look_up.rcode, 0);
    EXPECT_EQ(look_up.address, PretendInternet::kOutside);
  }
  EXPECT_EQ(internet_->servers().look_ups(), 2);
  GatewayStats stats = *client().Stats();
  EXPECT_EQ(stats.sessions, 1);
  EXPECT_EQ(stats.dns_queries["forwarded"], 2);
  EXPECT_GT(stats.verdict_packets["accepted"], 0);
  EXPECT_THAT(stats.problems, IsEmpty());
}

TEST_F(GatewayTest, WhatIsBlockedIsRefusedAtOnce) {
  NamespacePair pair = Connect("sesn_a");
  NamespacePair sibling = Connect("sesn_b");
  TestServers on_host;
  std::unique_ptr<TestServers> in_sibling;
  RunInNamespace(sibling.netns.get(), [&] { in_sibling = std::make_unique<TestServers>(); });
  for (const std::string& address : std::vector<std::string>{
           PretendInternet::kHost, "203.0.113.255", "10.219.0.1", "10.219.0.2", pair.gateway,
           sibling.address, "10.219.77.7", PretendInternet::kControlPlane,
           PretendInternet::kMetadata, PretendInternet::kPrivate, "192.168.7.7", "100.64.0.9",
           "172.16.3.3", "224.0.0.1", "240.0.0.1"}) {
    SCOPED_TRACE(address);
    if (address != "203.0.113.255" && address[0] != '2') EXPECT_REFUSED(Tcp(pair, address));
    EXPECT_NE(Udp(pair, address).reach, Reach::kAnswered);
  }
  EXPECT_EQ(on_host.tcp_connections() + on_host.datagrams(), 0);
  EXPECT_EQ(in_sibling->tcp_connections() + in_sibling->datagrams(), 0);
  EXPECT_EQ(internet_->servers().tcp_connections() + internet_->servers().datagrams(), 0);
  // The same servers do answer where they may.
  EXPECT_EQ(TryTcp("127.0.0.1", TestServers::kEchoPort).reach, Reach::kAnswered);
  EXPECT_EQ(Tcp(sibling, "127.0.0.1").reach, Reach::kAnswered);
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
}

TEST_F(GatewayTest, NobodyReachesASandbox) {
  NamespacePair pair = Connect("sesn_a");
  std::unique_ptr<TestServers> inside;
  RunInNamespace(pair.netns.get(), [&] { inside = std::make_unique<TestServers>(); });
  EXPECT_NE(TryTcp(pair.address, TestServers::kEchoPort).reach, Reach::kAnswered);
  RunInNamespace(internet_->netns(), [&] {
    MustRun("ip route add 10.219.0.0/16 via 203.0.113.2");
    EXPECT_NE(TryTcp(pair.address, TestServers::kEchoPort).reach, Reach::kAnswered);
  });
  EXPECT_EQ(inside->tcp_connections() + inside->datagrams(), 0);
}

TEST_F(GatewayTest, ANewAddressOfTheHostIsBlockedToo) {
  NamespacePair pair = Connect("sesn_a");
  TestServers on_host;
  MustRun("ip addr add 198.51.100.200/32 dev lo");
  EXPECT_TRUE(WaitUntil([&] {
    return Verdict("denied_node") > 0 || Tcp(pair, "198.51.100.200").reach == Reach::kRefused;
  }));
  EXPECT_REFUSED(Tcp(pair, "198.51.100.200"));
  EXPECT_EQ(on_host.tcp_connections(), 0);
  MustRun("ip addr del 198.51.100.200/32 dev lo");
}

TEST_F(GatewayTest, BlockedDestinationsStayBlockedBehindTheHostsTranslation) {
  NamespacePair pair = Connect("sesn_a");
  Nft nft = *Nft::Create();
  ASSERT_TRUE(
      nft.Run(absl::StrCat("table ip translate { chain p { type nat hook prerouting priority "
                           "dstnat; ip daddr ",
                           PretendInternet::kTranslated, " dnat to ", PretendInternet::kPrivate,
                           "; }; }"))
          .ok());
  EXPECT_NE(Tcp(pair, PretendInternet::kTranslated).reach, Reach::kAnswered);
  EXPECT_EQ(internet_->servers().tcp_connections(), 0);
  ASSERT_TRUE(nft.Run("delete table ip translate").ok());
}

TEST_F(GatewayTest, WithoutASessionNothingPasses) {
  NamespacePair pair = *pool_->Acquire();
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kSilence);
  EXPECT_EQ(Resolve(pair, "www.example.test").rcode, -1);
  GatewaySession closed = SessionOf("sesn_a", pair);
  closed.policy.kind = NetworkPolicy::Kind::kNone;
  ASSERT_TRUE(client().PutSession(closed).ok());
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kSilence);
  ASSERT_TRUE(client().PutSession(SessionOf("sesn_a", pair)).ok());
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  ASSERT_TRUE(client().RemoveSession("sesn_a").ok());
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kSilence);
  EXPECT_EQ(internet_->servers().look_ups(), 0);
}

TEST_F(GatewayTest, ARuleNamesOneInterfaceOnly) {
  NamespacePair pair = Connect("sesn_a");
  NamespacePair other = *pool_->Acquire();
  GatewaySession mixed = SessionOf("sesn_b", other);
  mixed.router_veth = pair.router_veth;  // As if the slot had another veth by now.
  ASSERT_TRUE(client().PutSession(mixed).ok());
  EXPECT_EQ(Tcp(other, PretendInternet::kOutside).reach, Reach::kSilence);
}

// A UDP packet with a source address of the sender's choice.
void SendSpoofed(const std::string& source, const std::string& destination) {
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  ASSERT_GE(fd, 0);
  struct {
    iphdr ip;
    udphdr udp;
    char data[4];
  } packet = {};
  packet.ip.version = 4;
  packet.ip.ihl = 5;
  packet.ip.ttl = 64;
  packet.ip.protocol = IPPROTO_UDP;
  packet.ip.saddr = htonl(*ParseIpv4(source));
  packet.ip.daddr = htonl(*ParseIpv4(destination));
  packet.udp.source = htons(4444);
  packet.udp.dest = htons(TestServers::kEchoPort);
  packet.udp.len = htons(sizeof(packet.udp) + sizeof(packet.data));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = packet.ip.daddr;
  EXPECT_GT(sendto(fd, &packet, sizeof(packet), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)),
            0);
  close(fd);
}

TEST_F(GatewayTest, SpoofedSourcesGoNowhere) {
  NamespacePair pair = Connect("sesn_a");
  NamespacePair sibling = Connect("sesn_b");
  int64_t before = Verdict("denied_spoofed");
  RunInNamespace(pair.netns.get(), [&] {
    SendSpoofed(pair.address, PretendInternet::kOutside);
    SendSpoofed(sibling.address, PretendInternet::kOutside);
    SendSpoofed("198.51.100.77", PretendInternet::kOutside);
    SendSpoofed(PretendInternet::kHost, PretendInternet::kOutside);
  });
  EXPECT_TRUE(WaitUntil([&] { return Verdict("denied_spoofed") == before + 3; }));
  EXPECT_TRUE(WaitUntil([&] { return internet_->servers().datagrams() == 1; }))
      << "the one with its own address passes, so the others were well-formed";
}

TEST_F(GatewayTest, Ipv6LeadsNowhere) {
  NamespacePair pair = Connect("sesn_a");
  RunInNamespace(pair.netns.get(), [&] {
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    sockaddr_in6 to = {};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(53);
    inet_pton(AF_INET6, "2001:db8::1", &to.sin6_addr);
    EXPECT_LT(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    close(fd);
    // Even for one who may change the sandbox's network, as no sandbox may.
    MustRun("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0");
    MustRun("ip addr add 2001:db8:7::2/64 dev eth0 nodad");
    MustRun("ip neigh add 2001:db8:7::1 lladdr 02:50:44:00:00:01 dev eth0");
    MustRun("ip route add default via 2001:db8:7::1");
    fd = socket(AF_INET6, SOCK_DGRAM, 0);
    EXPECT_GE(sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    close(fd);
  });
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
}

TEST_F(GatewayTest, AnsweredNamesDontOpenBlockedAddresses) {
  NamespacePair pair = Connect("sesn_a");
  LookUp look_up = Resolve(pair, "rebind.example.test");
  ASSERT_EQ(look_up.address, PretendInternet::kMetadata);
  EXPECT_REFUSED(Tcp(pair, look_up.address));
}

TEST_F(GatewayTest, TheOperatorsFileIsFollowedWithoutARestart) {
  NamespacePair pair = Connect("sesn_a");
  pid_t pid = GatewayPid();
  WriteOperatorFile("allow 10.5.5.0/24\nblock 198.51.100.10\nblock-host *.bad.test\n");
  EXPECT_TRUE(
      WaitUntil([&] { return Tcp(pair, PretendInternet::kPrivate).reach == Reach::kAnswered; }));
  EXPECT_REFUSED(Tcp(pair, PretendInternet::kOutside));
  EXPECT_REFUSED(Tcp(pair, "192.168.7.7"));
  EXPECT_EQ(Resolve(pair, "x.BAD.test").rcode, 3);
  EXPECT_EQ(Resolve(pair, "bad.test").rcode, 0);

  WriteOperatorFile("allow what\n");
  EXPECT_TRUE(
      WaitUntil([&] { return Tcp(pair, PretendInternet::kPrivate).reach != Reach::kAnswered; }));
  EXPECT_REFUSED(Tcp(pair, "198.51.100.11"));
  EXPECT_THAT(client().Stats()->problems, ElementsAre(HasSubstr("line 1")));

  ASSERT_EQ(unlink(options_.operator_file.c_str()), 0);
  EXPECT_TRUE(
      WaitUntil([&] { return Tcp(pair, PretendInternet::kOutside).reach == Reach::kAnswered; }));
  EXPECT_THAT(client().Stats()->problems, IsEmpty());
  EXPECT_EQ(GatewayPid(), pid);
}

TEST_F(GatewayTest, SandboxesThatComputeDontKeepTheGatewayWaiting) {
  std::string weight;
  for (const char* file :
       {"cpu/paddock-gateway-gwtest/cpu.shares", "cpu,cpuacct/paddock-gateway-gwtest/cpu.shares",
        "paddock-gateway-gwtest/cpu.weight"}) {
    absl::StatusOr<std::string> text = ReadFile(absl::StrCat("/sys/fs/cgroup/", file));
    if (text.ok()) weight = *text;
  }
  EXPECT_THAT(weight, AnyOf("10240\n", "1000\n"));
}

TEST_F(GatewayTest, AFlushedHostFirewallClosesAndIsMended) {
  NamespacePair pair = Connect("sesn_a");
  TestServers on_host;
  Nft nft = *Nft::Create();
  ASSERT_TRUE(nft.Run("flush ruleset").ok());
  EXPECT_REFUSED(Tcp(pair, PretendInternet::kHost));
  EXPECT_EQ(on_host.tcp_connections(), 0);
  EXPECT_TRUE(
      WaitUntil([&] { return Tcp(pair, PretendInternet::kOutside).reach == Reach::kAnswered; }));
}

TEST_F(GatewayTest, TrackedConnectionsOfOneSessionAreBounded) {
  gateway_.reset();
  ASSERT_TRUE(CleanUpGateway(options_).ok());
  options_.max_connections_per_session = 40;
  StartGateway();
  MakePool(64);
  NamespacePair eater = Connect("sesn_a");
  NamespacePair neighbour = Connect("sesn_b");
  int answered = 0;
  RunInNamespace(eater.netns.get(), [&] {
    for (int i = 0; i < 100; ++i) {
      if (TryUdp(PretendInternet::kOutside, TestServers::kEchoPort).reach == Reach::kAnswered) {
        ++answered;
      }
    }
  });
  EXPECT_LE(answered, 41);
  EXPECT_GE(answered, 35);
  EXPECT_EQ(Resolve(eater, "still.example.test").rcode, 0) << "look-ups aren't tracked";
  EXPECT_EQ(Udp(neighbour, PretendInternet::kOutside).reach, Reach::kAnswered);
  EXPECT_GT(Verdict("denied_connections"), 0);
}

TEST_F(GatewayTest, LivesOnWithoutTheAgentAndIsFoundAgain) {
  NamespacePair pair = Connect("sesn_a");
  pid_t pid = GatewayPid();
  gateway_.reset();
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  EXPECT_EQ(Resolve(pair, "www.example.test").rcode, 0);
  options_.blocked = {PretendInternet::kOutside};
  StartGateway();
  EXPECT_EQ(GatewayPid(), pid);
  EXPECT_EQ(client().ListSessions()->size(), 1u);
  EXPECT_REFUSED(Tcp(pair, PretendInternet::kOutside));
}

TEST_F(GatewayTest, ThereAreNeverTwo) {
  pid_t pid = GatewayPid();
  auto second = GatewayProcess::Start(options_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(GatewayPid(), pid);
  GatewayOptions other = options_;
  other.subnet = "10.220.0.0/16";
  EXPECT_EQ(GatewayProcess::Start(other).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(GatewayTest, KilledItKeepsTheRulesAndComesBackByItself) {
  NamespacePair pair = Connect("sesn_a");
  NamespacePair closed = *pool_->Acquire();
  pid_t pid = GatewayPid();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  EXPECT_REFUSED(Tcp(pair, PretendInternet::kMetadata));
  EXPECT_EQ(Tcp(closed, PretendInternet::kOutside).reach, Reach::kSilence);
  EXPECT_TRUE(
      WaitUntil([&] { return gateway_->Health().ok() && GatewayPid() != pid; }, absl::Seconds(2)));
  EXPECT_EQ(Resolve(pair, "www.example.test").rcode, 0);
  EXPECT_EQ(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  EXPECT_EQ(client().ListSessions()->size(), 1u);
}

TEST_F(GatewayTest, RestartKeepsEstablishedConnections) {
  NamespacePair pair = Connect("sesn_a");
  int fd = -1;
  RunInNamespace(pair.netns.get(), [&] {
    fd = socket(AF_INET, SOCK_STREAM, 0);
    timeval limit = {3, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(TestServers::kEchoPort);
    inet_pton(AF_INET, PretendInternet::kOutside, &to.sin_addr);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  });
  char buffer[64];
  ASSERT_GT(recv(fd, buffer, sizeof(buffer), 0), 0);
  pid_t pid = GatewayPid();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] { return gateway_->Health().ok() && GatewayPid() != pid; }));
  ASSERT_EQ(send(fd, "echo", 4, MSG_NOSIGNAL), 4);
  EXPECT_EQ(recv(fd, buffer, sizeof(buffer), 0), 4);
  // And a connection of a session that is removed ends.
  ASSERT_TRUE(client().RemoveSession("sesn_a").ok());
  ASSERT_EQ(send(fd, "echo", 4, MSG_NOSIGNAL), 4);
  EXPECT_LT(recv(fd, buffer, sizeof(buffer), 0), 0);
  close(fd);
}

}  // namespace
}  // namespace paddock::nodeagent
