// Limited sessions against a real gateway process, kernel rules and test hosts.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "tests/privileged/gateway_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kAnswer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr char kSinkhole[] = "198.18.0.1";
constexpr char kAccessDenied[] = "\x15\x03\x03\x00\x02\x02\x31";

// Answers each empty line of what it receives by kAnswer, and remembers all.
class WebServer {
 public:
  explicit WebServer(int port) : stop_(eventfd(0, EFD_CLOEXEC)) {
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int on = 1;
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<uint16_t>(port));
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    EXPECT_EQ(listen(listener_.get(), 128), 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~WebServer() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  std::string received() {
    absl::MutexLock lock(&mutex_);
    return received_;
  }

 private:
  void Serve() {
    std::map<int, UniqueFd> clients;
    while (true) {
      std::vector<pollfd> pollers = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const auto& [fd, client] : clients) pollers.push_back({fd, POLLIN, 0});
      poll(pollers.data(), pollers.size(), -1);
      if (pollers[0].revents != 0) return;
      for (const pollfd& poller : pollers) {
        if (poller.revents == 0) continue;
        if (poller.fd == listener_.get()) {
          UniqueFd client(accept4(poller.fd, nullptr, nullptr, SOCK_CLOEXEC));
          clients.emplace(client.get(), std::move(client));
          continue;
        }
        char buffer[65536];
        ssize_t size = recv(poller.fd, buffer, sizeof(buffer), 0);
        if (size <= 0) {
          clients.erase(poller.fd);
          continue;
        }
        std::string bytes(buffer, size);
        for (size_t at = 0; (at = bytes.find("\r\n\r\n", at)) != std::string::npos; at += 4) {
          send(poller.fd, kAnswer, strlen(kAnswer), MSG_NOSIGNAL);
        }
        absl::MutexLock lock(&mutex_);
        received_ += bytes;
      }
    }
  }
  UniqueFd listener_, stop_;
  absl::Mutex mutex_;
  std::string received_;
  std::thread thread_;
};

struct Talked {
  std::string answer;
  bool reset = false;
  bool ended = false;  // The other side has finished sending.
  absl::Duration took;
};

// Connects, sends, reads until the end, a reset, `wanted` bytes or the limit.
Talked TalkTo(const std::string& address, int port, const std::string& bytes, size_t wanted,
              bool half_close) {
  Talked talked;
  absl::Duration start = Clock::Real()->Monotonic();
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval limit = {5, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0) << strerror(errno);
  send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (half_close) shutdown(fd.get(), SHUT_WR);
  char buffer[65536];
  while (talked.answer.size() < wanted) {
    ssize_t size = recv(fd.get(), buffer, sizeof(buffer), 0);
    talked.ended = size == 0;
    talked.reset = size < 0 && errno == ECONNRESET;
    if (size <= 0) break;
    talked.answer.append(buffer, size);
  }
  talked.took = Clock::Real()->Monotonic() - start;
  return talked;
}

class LimitedTest : public GatewayFixture {
 protected:
  NamespacePair ConnectLimited(const std::string& id, std::vector<std::string> hosts,
                               std::vector<HostPort> ports = {}) {
    NamespacePair pair = *pool_->Acquire();
    GatewaySession session = SessionOf(id, pair);
    session.policy.kind = NetworkPolicy::Kind::kLimited;
    session.policy.hosts = std::move(hosts);
    session.policy.host_ports = std::move(ports);
    absl::Status put = client().PutSession(session);
    EXPECT_TRUE(put.ok()) << put;
    return pair;
  }
  Talked Talk(const NamespacePair& pair, const std::string& address, int port,
              const std::string& bytes, size_t wanted = 1 << 20, bool half_close = false) {
    Talked talked;
    RunInNamespace(pair.netns.get(),
                   [&] { talked = TalkTo(address, port, bytes, wanted, half_close); });
    return talked;
  }
  std::unique_ptr<WebServer> Serve(int port) {
    std::unique_ptr<WebServer> server;
    RunInNamespace(internet_->netns(), [&] { server = std::make_unique<WebServer>(port); });
    return server;
  }
  std::vector<EgressEvent> Events(const std::string& id) {
    absl::StatusOr<EgressPage> page = client().ListEgress(id, 0, 1000);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? page->events : std::vector<EgressEvent>();
  }
  // The reason of the event about `name` (or to the address), "" if there is none; waits for it.
  std::string ReasonOf(const std::string& id, const std::string& name,
                       const std::string& protocol) {
    std::string reason;
    WaitUntil([&] {
      for (const EgressEvent& event : Events(id)) {
        if ((event.name != name && event.address != name) || event.protocol != protocol) continue;
        reason = event.allowed ? absl::StrCat("allowed ", event.reason) : event.reason;
        return true;
      }
      return false;
    });
    return reason;
  }
};

std::string Get(const std::string& host, const std::string& path = "/") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: ", host, "\r\n\r\n");
}

TEST_F(LimitedTest, AnAllowedNameIsReachedByItsSyntheticAddress) {
  NamespacePair pair = ConnectLimited("sesn_a", {"www.example.test"});
  for (bool tcp : {false, true}) {
    LookUp look_up = Resolve(pair, "WWW.example.test", tcp);
    EXPECT_EQ(look_up.rcode, 0);
    EXPECT_EQ(look_up.address, "198.18.16.0");
  }
  EXPECT_EQ(internet_->servers().look_ups(), 0) << "nothing goes upstream for a look-up";
  Attempt echo = Tcp(pair, "198.18.16.0");
  EXPECT_EQ(echo.reach, Reach::kAnswered) << ToString(echo.reach) << ": the server speaks first";
  EXPECT_EQ(echo.answer, PretendInternet::kHost);
  EXPECT_EQ(internet_->servers().look_ups(), 1);
  EXPECT_THAT(ReasonOf("sesn_a", "www.example.test", "tcp"), StartsWith("allowed"));
  EXPECT_EQ(client().Stats()->session_egress["sesn_a"].allowed, 1);
}

TEST_F(LimitedTest, BothSidesMayCloseHalf) {
  NamespacePair pair = ConnectLimited("sesn_a", {"www.example.test"});
  Resolve(pair, "www.example.test");
  Talked talked = Talk(pair, "198.18.16.0", TestServers::kEchoPort, "no line\x01", 1 << 20, true);
  EXPECT_EQ(talked.answer, absl::StrCat(PretendInternet::kHost, "no line\x01"));
  EXPECT_TRUE(talked.ended);
  Talked text =
      Talk(pair, "198.18.16.0", TestServers::kEchoPort, "word", strlen(PretendInternet::kHost) + 4);
  EXPECT_EQ(text.answer, absl::StrCat(PretendInternet::kHost, "word"));
  EXPECT_LT(text.took, absl::Seconds(1)) << "half a line isn't held for long";
}

TEST_F(LimitedTest, ADeniedNameExplainsItself) {
  NamespacePair pair = ConnectLimited("sesn_a", {"www.example.test"});
  LookUp look_up = Resolve(pair, "evil.test");
  EXPECT_EQ(look_up.rcode, 0);
  EXPECT_EQ(look_up.address, kSinkhole);
  Talked http = Talk(pair, kSinkhole, 80, Get("evil.test"));
  EXPECT_THAT(http.answer, StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(http.answer, HasSubstr("\"evil.test\""));
  EXPECT_THAT(http.answer, HasSubstr("config.cloud.networking.limited.allowed_hosts"));
  EXPECT_TRUE(http.ended);
  // A ClientHello that ends right after its cipher and compression.
  std::string hello("\x01\x00\x00\x29\x03\x03", 6);
  hello += std::string(32, 'r') + std::string("\x00\x00\x02\x13\x01\x01\x00", 7);
  std::string record("\x16\x03\x01\x00\x2d", 5);
  Talked tls = Talk(pair, kSinkhole, 443, record + hello);
  EXPECT_EQ(tls.answer, std::string(kAccessDenied, 7));
  Talked other = Talk(pair, kSinkhole, 22, "SSH-2.0-test\r\n");
  EXPECT_TRUE(other.reset);
  for (const Talked* talked : {&http, &tls, &other}) EXPECT_LT(talked->took, absl::Seconds(1));
  EXPECT_TRUE(Talk(pair, kSinkhole, 25, "").reset) << "a client that waits for a greeting";
  EXPECT_EQ(internet_->servers().look_ups(), 0);
  EXPECT_THAT(ReasonOf("sesn_a", "evil.test", "dns"), HasSubstr("allowed_hosts"));
  EXPECT_THAT(ReasonOf("sesn_a", "evil.test", "http"), HasSubstr("allowed_hosts"));
  EXPECT_GE(client().Stats()->session_egress["sesn_a"].denied, 4);
}

TEST_F(LimitedTest, NothingButNamesLeadsAnywhere) {
  NamespacePair pair = ConnectLimited("sesn_a", {"www.example.test"});
  NamespacePair sibling = ConnectLimited("sesn_b", {"www.example.test"});
  std::unique_ptr<TestServers> in_sibling;
  RunInNamespace(sibling.netns.get(), [&] { in_sibling = std::make_unique<TestServers>(); });
  Resolve(pair, "www.example.test");
  for (const std::string& address : std::vector<std::string>{
           PretendInternet::kOutside, PretendInternet::kHost, PretendInternet::kControlPlane,
           PretendInternet::kMetadata, PretendInternet::kPrivate, pair.gateway, sibling.address,
           "198.51.100.53", "192.88.99.1"}) {
    SCOPED_TRACE(address);
    Attempt tcp = Tcp(pair, address);
    EXPECT_TRUE(tcp.reach == Reach::kRefused || tcp.reach == Reach::kProhibited)
        << ToString(tcp.reach);
    EXPECT_LT(tcp.took, absl::Seconds(1));
    EXPECT_NE(Udp(pair, address).reach, Reach::kAnswered);
    RunInNamespace(pair.netns.get(),
                   [&] { EXPECT_FALSE(TryPing(address, absl::Milliseconds(100))); });
  }
  EXPECT_NE(Udp(pair, "198.18.16.0").reach, Reach::kAnswered) << "UDP to an allowed name";
  EXPECT_NE(Tcp(pair, pair.gateway, 15001).reach, Reach::kAnswered);
  EXPECT_EQ(internet_->servers().tcp_connections() + internet_->servers().datagrams(), 0);
  EXPECT_EQ(in_sibling->tcp_connections() + in_sibling->datagrams(), 0);
  EXPECT_THAT(ReasonOf("sesn_a", PretendInternet::kOutside, "tcp"), HasSubstr("allowed names"));
  EXPECT_EQ(Tcp(pair, "198.18.16.0").reach, Reach::kAnswered);
}

TEST_F(LimitedTest, TheHostOfEveryRequestIsTheName) {
  NamespacePair pair = ConnectLimited("sesn_a", {"www.example.test"});
  std::unique_ptr<WebServer> server = Serve(80);
  Resolve(pair, "www.example.test");
  std::string address = "198.18.16.0";
  Talked fine = Talk(pair, address, 80, Get("www.example.test") + Get("WWW.example.test:80"),
                     2 * strlen(kAnswer));
  EXPECT_EQ(fine.answer, absl::StrCat(kAnswer, kAnswer));
  Talked other = Talk(pair, address, 80, Get("evil.test"));
  EXPECT_THAT(other.answer, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(other.answer, HasSubstr("evil.test"));
  Talk(pair, address, 80, Get("www.example.test") + Get("evil.test", "/smuggled"), 1 << 20);
  EXPECT_THAT(server->received(), Not(HasSubstr("evil")));
  EXPECT_THAT(ReasonOf("sesn_a", "www.example.test", "http"), Not(IsEmpty()));
}

TEST_F(LimitedTest, ANameWithABlockedAddressIsRefusedAtEachDial) {
  NamespacePair pair = ConnectLimited("sesn_a", {"*.example.test"});
  Resolve(pair, "rebind.example.test");
  Talked talked = Talk(pair, "198.18.16.0", 80, Get("rebind.example.test"));
  EXPECT_THAT(talked.answer, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(talked.answer, HasSubstr(PretendInternet::kMetadata));
  Resolve(pair, "fine.example.test");
  EXPECT_EQ(Tcp(pair, "198.18.16.1").reach, Reach::kAnswered);
  WriteOperatorFile("block 198.51.100.10\nblock-host barred.example.test\n");
  EXPECT_TRUE(WaitUntil([&] { return Tcp(pair, "198.18.16.1").reach != Reach::kAnswered; }));
  EXPECT_EQ(Resolve(pair, "barred.example.test").address, kSinkhole);
  EXPECT_THAT(Talk(pair, kSinkhole, 80, Get("barred.example.test")).answer,
              HasSubstr("blocked by the operator"));
  EXPECT_THAT(ReasonOf("sesn_a", "barred.example.test", "http"),
              HasSubstr("blocked by the operator"));
  WriteOperatorFile("allow what\n");
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(Talk(pair, "198.18.16.1", 80, Get("fine.example.test")).answer,
                             "until the operator mends it");
  }));
}

TEST_F(LimitedTest, APortOfAHostIsThatPortAlone) {
  NamespacePair pair = ConnectLimited("sesn_a", {}, {{"mcp.example.test", TestServers::kEchoPort}});
  EXPECT_EQ(Resolve(pair, "mcp.example.test").address, "198.18.16.0");
  EXPECT_EQ(Tcp(pair, "198.18.16.0").reach, Reach::kAnswered);
  EXPECT_THAT(Talk(pair, "198.18.16.0", 80, Get("mcp.example.test")).answer,
              HasSubstr("on other ports only"));
}

TEST_F(LimitedTest, NamesKeepTheirAddressesWhenTheGatewayIsKilled) {
  NamespacePair pair = ConnectLimited("sesn_a", {"*.example.test"});
  for (const char* name : {"a.example.test", "b.example.test"}) Resolve(pair, name);
  Resolve(pair, "evil.test");
  int64_t sequence = Events("sesn_a").back().sequence;
  pid_t before = GatewayPid();
  ASSERT_EQ(kill(before, SIGKILL), 0);
  EXPECT_NE(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  ASSERT_TRUE(WaitUntil([&] { return gateway_->Health().ok() && GatewayPid() != before; },
                        absl::Seconds(2)));
  Attempt again = Tcp(pair, "198.18.16.1");
  EXPECT_EQ(again.reach, Reach::kAnswered)
      << ToString(again.reach) << ", " << ReasonOf("sesn_a", "b.example.test", "tcp");
  EXPECT_NE(Tcp(pair, PretendInternet::kOutside).reach, Reach::kAnswered) << "still limited";
  EXPECT_NE(Udp(pair, PretendInternet::kOutside).reach, Reach::kAnswered);
  EXPECT_EQ(Resolve(pair, "b.example.test").address, "198.18.16.1");
  EXPECT_EQ(Resolve(pair, "c.example.test").address, "198.18.16.2");
  Resolve(pair, "worse.test");
  EXPECT_GT(Events("sesn_a").back().sequence, sequence);
}

TEST_F(LimitedTest, WithoutASessionOrWithABrokenPolicyNothingPasses) {
  NamespacePair pair = ConnectLimited("sesn_a", {"www.example.test"});
  Resolve(pair, "www.example.test");
  ASSERT_TRUE(client().RemoveSession("sesn_a").ok());
  EXPECT_EQ(Tcp(pair, "198.18.16.0").reach, Reach::kSilence);
  EXPECT_EQ(Resolve(pair, "www.example.test").rcode, -1);
  GatewaySession broken = SessionOf("sesn_a", pair);
  broken.policy.kind = NetworkPolicy::Kind::kLimited;
  broken.policy.hosts = {"not a host"};
  EXPECT_EQ(client().PutSession(broken).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Tcp(pair, "198.18.16.0").reach, Reach::kSilence);
  EXPECT_EQ(client().ListEgress("sesn_a", 0, 10).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(LimitedTest, AHundredHostsCostNothingToPut) {
  std::vector<std::string> hosts;
  for (int i = 0; i < 100; ++i) hosts.push_back(absl::StrCat("host", i, ".example.test"));
  NamespacePair pair = *pool_->Acquire();
  GatewaySession session = SessionOf("sesn_a", pair);
  absl::Duration plain = absl::InfiniteDuration();
  absl::Duration limited = absl::InfiniteDuration();
  for (int i = 0; i < 50; ++i) {
    for (bool with_policy : {false, true}) {
      session.policy = {};
      session.policy.kind =
          with_policy ? NetworkPolicy::Kind::kLimited : NetworkPolicy::Kind::kUnrestricted;
      if (with_policy) session.policy.hosts = hosts;
      absl::Duration start = Clock::Real()->Monotonic();
      ASSERT_TRUE(client().PutSession(session).ok());
      absl::Duration took = Clock::Real()->Monotonic() - start;
      absl::Duration& best = with_policy ? limited : plain;
      best = std::min(best, took);
      ASSERT_TRUE(client().RemoveSession("sesn_a").ok());
    }
  }
  EXPECT_LT(limited - plain, absl::Milliseconds(1));
  RecordProperty("extra_us", static_cast<int>(absl::ToInt64Microseconds(limited - plain)));
}

}  // namespace
}  // namespace paddock::nodeagent
