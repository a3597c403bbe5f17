// Around the names: addresses, other protocols, what stands on the node, names that lead to
// forbidden addresses, and tricks with the sandbox's own network.

#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/clock.h"
#include "nodeagent/system/file.h"
#include "tests/privileged/bypass_case.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kWeb[] = "web.allowed.test";

std::vector<BypassCase> Addresses() {
  std::vector<BypassCase> cases;
  const std::string get = Sends(Request("GET /smuggled HTTP/1.1", "Host: web.allowed.test\r\n"));
  // Where a packet is seen by the gateway; an address without a route is refused by the sandbox's
  // own kernel.
  enum class Told { kAlways, kUdp, kNever };
  struct Target {
    const char* label;
    const char* address;
    int port;
    Told told = Told::kAlways;
  };
  const Target targets[] = {
      {"OfAnAllowedHost", InternetServers::kWeb, 80},
      {"OfAForbiddenHost", InternetServers::kEvil, 443},
      {"OfAnEchoServer", PretendInternet::kOutside, 7777},
      {"V4Mapped", "::ffff:198.51.100.20", 80},
      {"V6", InternetServers::kWeb6, 80, Told::kNever},
      {"SixToFour", "2002:c633:6414::1", 80, Told::kNever},
      {"Nat64", "64:ff9b::c633:6414", 80, Told::kNever},
      {"Teredo", "2001:0:c633:6414::1", 80, Told::kNever},
      {"Metadata", PretendInternet::kMetadata, 80},
      {"Metadata6", PretendInternet::kMetadata6, 80, Told::kNever},
      {"TheNode", PretendInternet::kHost, 7777},
      {"TheControlPlane", PretendInternet::kControlPlane, 7777},
      {"TheDatabase", "198.51.100.98", 7777},
      {"PrivateNetwork", PretendInternet::kPrivate, 7777},
      {"HostsEndOfTheUplink", "10.219.0.1", 7777},
      {"RoutersEndOfTheUplink", "10.219.0.2", 7777},
      {"TheGateway", "10.219.0.3", 7777},
      {"Broadcast", "255.255.255.255", 7777, Told::kUdp},
      {"Multicast", "224.0.0.1", 7777, Told::kUdp},
      {"MulticastOfNobody", "239.1.2.3", 7777, Told::kUdp},
  };
  for (const Target& target : targets) {
    BypassCase tcp{absl::StrCat("Tcp", target.label),
                   {"tcp", target.address, absl::StrCat(target.port), get, "recv=2000"},
                   {"failed "},
                   {"connected", "failed 110"},
                   {},
                   {"/smuggled", " 7777"}};
    BypassCase udp{absl::StrCat("Udp", target.label),
                   {"udp", target.address, "7777", "70696e67"},
                   {},
                   {"answered"},
                   {},
                   {"datagram"}};
    tcp.refused_inside = target.told != Told::kAlways;
    udp.refused_inside = target.told == Told::kNever;
    if (!tcp.refused_inside) tcp.event = LimitedSession::Expected{"", target.port, false, "no "};
    if (!udp.refused_inside) udp.event = LimitedSession::Expected{"", 7777, false, "no "};
    cases.push_back(tcp);
    cases.push_back(udp);
  }
  cases.push_back({"QuicToAnAllowedName",
                   {"udp", kWeb, "443", "c00000000108"},
                   {},
                   {"answered"},
                   {},
                   {"datagram"},
                   LimitedSession::Expected{"", 443, false, "limited networking"}});
  cases.push_back({"UdpToAnAllowedName",
                   {"udp", kWeb, "7777", "70696e67"},
                   {},
                   {"answered"},
                   {},
                   {"datagram"},
                   LimitedSession::Expected{"", 7777, false, "limited networking"}});
  cases.push_back({"UdpToTheSinkhole",
                   {"udp", "evil.test", "7777", "70696e67"},
                   {},
                   {"answered"},
                   {},
                   {"datagram"},
                   LimitedSession::Expected{"", 7777, false, "limited networking"}});
  cases.push_back({"PingOfAnAddress",
                   {"ping", InternetServers::kWeb},
                   {},
                   {"answered"},
                   {},
                   {},
                   LimitedSession::Expected{"", 0, false, "no ICMP"}});
  for (const char* name : {kWeb, "evil.test"}) {
    cases.push_back({absl::StrCat("Ping", name == kWeb ? "OfAnAllowedName" : "OfTheSinkhole"),
                     {"ping", name},
                     {},
                     {"answered"},
                     {},
                     {},
                     LimitedSession::Expected{"", 0, false, "no ICMP"}});
  }
  cases.push_back({"SourceRoute",
                   {"ip-options", InternetServers::kWeb},
                   {"loose-source-route 1"},
                   {},
                   {},
                   {"datagram"},
                   LimitedSession::Expected{"", 7777, false, "limited networking"}});
  return cases;
}

// Allowed names whose addresses no sandbox may reach, whatever their owner answers.
std::vector<BypassCase> Rebinding() {
  std::vector<BypassCase> cases;
  for (const char* label :
       {"metadata", "private", "node", "control", "database", "loopback", "zero", "sibling"}) {
    const std::string name = absl::StrCat(label, ".allowed.test");
    const std::string get =
        Sends(Request("GET /smuggled HTTP/1.1", absl::StrCat("Host: ", name, "\r\n")));
    cases.push_back({absl::StrCat("V4", label),
                     {"tcp", name, "80", get, "recv=5000"},
                     {"reply HTTP/1.1 403 "},
                     {"200 OK"},
                     {},
                     {"/smuggled", "open 169.254", "open 10.", "open 198.51.100.9"},
                     LimitedSession::Expected{name, 80, false, "no sandbox may reach"}});
  }
  for (const char* label :
       {"metadata6", "mapped", "sixtofour", "nat64", "teredo", "compatible", "loopback6"}) {
    const std::string name = absl::StrCat(label, ".allowed.test");
    const std::string get =
        Sends(Request("GET /smuggled HTTP/1.1", absl::StrCat("Host: ", name, "\r\n")));
    cases.push_back({absl::StrCat("V6", label),
                     {"tcp", name, "80", get, "recv=5000"},
                     {"reply HTTP/1.1 "},
                     {"200 OK"},
                     {},
                     {"/smuggled", "open 169.254", "open fd00"},
                     LimitedSession::Expected{name, 80, true, "has no IPv4 address"}});
  }
  cases.push_back(
      {"OneOfTwoAddresses",
       {"tcp", "mixed.allowed.test", "80",
        Sends(Request("GET /mixed HTTP/1.1", "Host: mixed.allowed.test\r\n")), "recv=5000"},
       {"reply HTTP/1.1 "},
       {},
       {},
       {"open 169.254"},
       LimitedSession::Expected{"mixed.allowed.test", 80, true, ""}});
  cases.push_back(
      {"NameThatDoesNotExist",
       {"tcp", "missing.allowed.test", "80",
        Sends(Request("GET / HTTP/1.1", "Host: missing.allowed.test\r\n")), "recv=5000"},
       {"reply HTTP/1.1 502"},
       {},
       {},
       {},
       LimitedSession::Expected{"missing.allowed.test", 80, true, "doesn't exist"}});
  cases.push_back({"PortWhereNobodyListens",
                   {"tcp", kWeb, "81",
                    Sends(Request("GET / HTTP/1.1", "Host: web.allowed.test\r\n")), "recv=5000"},
                   {"reply HTTP/1.1 502"},
                   {},
                   {},
                   {},
                   LimitedSession::Expected{kWeb, 81, true, "Connection refused"}});
  return cases;
}

using EgressBypassCasesTest = BypassSuite;

TEST_P(EgressBypassCasesTest, EndsAsThePolicySays) { Try(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Address, EgressBypassCasesTest, ::testing::ValuesIn(Addresses()),
                         BypassName);
INSTANTIATE_TEST_SUITE_P(Rebinding, EgressBypassCasesTest, ::testing::ValuesIn(Rebinding()),
                         BypassName);

class EgressBypassTest : public EgressTest {
 protected:
  static void SetUpTestSuite() { MakeWorld(SandboxHost::Root::kProbe); }

  static std::string Get(LimitedSession& session, const std::string& name) {
    return session.Probe({"tcp", name, "80",
                          Sends(Request("GET / HTTP/1.1", absl::StrCat("Host: ", name, "\r\n"))),
                          "recv=5000"});
  }
  // KiB, by the field of /proc/PID/status.
  static int64_t MemoryOf(pid_t pid, const std::string& field) {
    const std::string status = ReadFile(absl::StrCat("/proc/", pid, "/status")).value_or("");
    const size_t at = status.find(field);
    int64_t kib = -1;
    if (at != std::string::npos) sscanf(&status[at + field.size()], "%ld", &kib);
    return kib;
  }
  static std::string Resolve(LimitedSession& session, const std::string& name) {
    const std::vector<std::string> words =
        absl::StrSplit(session.Probe({"look-up", "-", name, "1", "udp"}), absl::ByAnyChar(" \n"));
    return words.size() > 4 ? words[4] : "";
  }
};

TEST_F(EgressBypassTest, TheSandboxCannotChangeItsNetwork) {
  auto session = Limited();
  const std::string tricks = session->Probe({"tricks"});
  for (const char* trick :
       {"raw-icmp 1\n", "raw-ip 1\n", "raw-icmp6 1\n", "packet 1\n", "packet-dgram 1\n",
        "transparent 1\n", "bind-sibling 99\n", "bind-foreign 99\n", "mark 1\n", "set-arp 1\n",
        "set-address 1\n", "set-promiscuous 1\n", "add-route 1\n", "netlink-route 1\n",
        "tun 2\n"}) {
    EXPECT_THAT(tricks, HasSubstr(trick));
  }
}

TEST_F(EgressBypassTest, AnAddressOfOneSessionIsNoneOfAnother) {
  auto one = Limited();
  NetworkPolicy other_policy;
  other_policy.kind = NetworkPolicy::Kind::kLimited;
  other_policy.hosts = {"a.wild.test"};
  auto other = Limited(other_policy);
  const auto mark = world_->servers().Mark();
  const std::string address = Resolve(*one, "both.allowed.test");
  Resolve(*other, "evil.test");
  // Nothing is told to the other session at that address, nor is it taken for a denied name's.
  const std::string reached = other->Probe({"tcp", address, "7777", "recv=3000"});
  EXPECT_THAT(reached, Not(HasSubstr("reply")));
  EXPECT_THAT(world_->servers().Seen(mark, "open"), IsEmpty());
  other->ExpectEvent({"", 7777, false, "was given to no name of this session"});
  EXPECT_THAT(
      other->Probe({"tcp", address, "80", Sends(Request("GET / HTTP/1.1", "Host: x.wild.test\r\n")),
                    "recv=3000"}),
      HasSubstr("was given to no name of this session"));
  EXPECT_THAT(Get(*other, "web.allowed.test"), HasSubstr("403"));
  EXPECT_THAT(Get(*other, "a.wild.test"), HasSubstr("200 OK"));
}

TEST_F(EgressBypassTest, SiblingsAndTheNodeAreOutOfReach) {
  auto session = Limited();
  auto sibling = Limited();
  std::unique_ptr<TestServers> in_sibling;
  RunInNamespace(sibling->pair().netns.get(),
                 [&] { in_sibling = std::make_unique<TestServers>(); });
  TestServers on_host;
  for (const std::string& address :
       {sibling->pair().address, session->pair().gateway, std::string("10.219.0.1"),
        std::string(PretendInternet::kHost)}) {
    EXPECT_THAT(session->Probe({"tcp", address, "7777", "recv=1000"}), HasSubstr("failed 111"));
    EXPECT_THAT(session->Probe({"udp", address, "7777", "00"}), Not(HasSubstr("answered")));
  }
  EXPECT_EQ(in_sibling->tcp_connections() + in_sibling->datagrams(), 0);
  EXPECT_EQ(on_host.tcp_connections() + on_host.datagrams(), 0);
  // The same servers answer those who may.
  EXPECT_EQ(TryTcp("127.0.0.1", TestServers::kEchoPort).reach, Reach::kAnswered);
  EXPECT_THAT(sibling->Probe({"tcp", "127.0.0.1", "7777", "recv=1000"}), HasSubstr("reply"));
}

TEST_F(EgressBypassTest, ANameThatTurnsBetweenTwoLookUpsIsRefused) {
  auto session = Limited();
  EXPECT_THAT(Get(*session, "turns.allowed.test"), HasSubstr("200 OK"));
  const auto mark = world_->servers().Mark();
  // Once the first answer has expired, the second one is the metadata service's.
  EXPECT_TRUE(
      WaitUntil([&] { return absl::StrContains(Get(*session, "turns.allowed.test"), "403"); },
                absl::Seconds(20)));
  EXPECT_THAT(world_->servers().Seen(mark, "open 169.254"), IsEmpty());
  session->ExpectEvent({"turns.allowed.test", 80, false, "no sandbox may reach"});
}

TEST_F(EgressBypassTest, AThousandConnectionsThatSayNothing) {
  auto session = Limited();
  auto neighbour = Limited();
  EXPECT_THAT(session->Probe({"hold", "web.allowed.test", "7779", "1000", "100"}),
              HasSubstr("open 1000\nleft 1000"));
  EXPECT_THAT(session->Probe({"hold", "evil.test", "443", "1000", "100"}), HasSubstr("open "));
  session->ExpectEvent({"web.allowed.test", 7779, true, ""});
  session->ExpectEvent({"evil.test", 443, false, "is not allowed"});
  EXPECT_THAT(Get(*neighbour, "web.allowed.test"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
}

// What a session makes the gateway hold is bounded, whatever it opens and sends.
TEST_F(EgressBypassTest, ThousandsOfUnfinishedHellosFillNoMemory) {
  auto session = Limited();
  auto neighbour = Limited();
  ASSERT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
  const int64_t before = MemoryOf(world_->GatewayPid(), "VmRSS:");
  // At a host that is allowed, and at the sinkhole.
  std::string held;
  for (const char* name : {"web.allowed.test", "evil.test"}) {
    held += session->Probe({"hold-hellos", name, "7785", "3500", "60000", "500"});
  }
  const int64_t peak = MemoryOf(world_->GatewayPid(), "VmHWM:");
  printf("gateway: %ld KiB before, %ld KiB at the most\n%s", static_cast<long>(before),
         static_cast<long>(peak), held.c_str());
  RecordProperty("peak_kib", static_cast<int>(peak));
  EXPECT_LT(peak - before, 64 * 1024);
  session->ExpectEvent({"web.allowed.test", 7785, false, "sent too much"});
  session->ExpectEvent({"evil.test", 7785, false, "is not allowed"});
  EXPECT_THAT(Get(*neighbour, "web.allowed.test"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
}

TEST_F(EgressBypassTest, AResolverThatSaysNothingEndsTheConnectionInTime) {
  auto session = Limited();
  const std::string got = session->Probe(
      {"tcp", "silent.allowed.test", "80",
       Sends(Request("GET / HTTP/1.1", "Host: silent.allowed.test\r\n")), "recv=15000"});
  EXPECT_THAT(got, HasSubstr("reply HTTP/1.1 502"));
  session->ExpectEvent({"silent.allowed.test", 80, true, "no resolver answers"});
}

TEST_F(EgressBypassTest, WithoutAPolicyThatParsesThereIsNoNetwork) {
  NetworkPolicy policy;
  policy.kind = NetworkPolicy::Kind::kLimited;
  policy.hosts = {"web.allowed.test"};
  auto session = Limited(policy);
  ASSERT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
  const auto mark = world_->servers().Mark();
  GatewaySession broken = session->session();
  broken.policy.hosts = {"web.allowed.test", "*.*.test/evil"};
  EXPECT_FALSE(world_->client().PutSession(broken).ok());
  broken.policy = NetworkPolicy{};
  ASSERT_TRUE(world_->client().PutSession(broken).ok());
  EXPECT_THAT(Get(*session, "web.allowed.test"), Not(HasSubstr("reply")));
  EXPECT_THAT(world_->servers().Seen(mark, "open"), IsEmpty());
}

TEST_F(EgressBypassTest, TheGatewayKilledInTheMiddleOpensNothing) {
  auto session = Limited();
  const std::string address = Resolve(*session, "both.allowed.test");
  ASSERT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
  session->ExpectEvent({"web.allowed.test", 80, true, ""});
  const pid_t pid = world_->GatewayPid();
  const auto mark = world_->servers().Mark();
  // An echo that is open while it dies, and tries of everything else until it is back.
  std::string held;
  std::thread holder([&] {
    held = session->Probe({"tcp", "web.allowed.test", "7777", "recv=2000", "recv=8000"});
  });
  EXPECT_TRUE(WaitUntil([&] { return !world_->servers().Seen(mark, "open").empty(); }));
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  const absl::Duration died = Clock::Real()->Monotonic();
  bool back = false;
  while (!back && Clock::Real()->Monotonic() - died < absl::Seconds(5)) {
    EXPECT_THAT(session->Probe({"tcp", InternetServers::kEvil, "7777", "recv=50"}),
                Not(HasSubstr("reply")));
    EXPECT_THAT(session->Probe({"udp", InternetServers::kEvil, "7777", "00"}),
                Not(HasSubstr("answered")));
    back = world_->gateway().Health().ok() && world_->GatewayPid() != pid;
  }
  EXPECT_TRUE(back);
  holder.join();
  EXPECT_THAT(held, ::testing::AnyOf(HasSubstr("reset"), HasSubstr("closed")));
  session->ExpectEvent({"web.allowed.test", 7777, true, "cut because the gateway process"});
  EXPECT_EQ(Resolve(*session, "both.allowed.test"), address);
  EXPECT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(*session, "evil.test"), HasSubstr("403"));
  // What is restored is as limited as it was.
  EXPECT_THAT(session->Probe({"tcp", InternetServers::kEvil, "7777", "recv=300"}),
              HasSubstr("failed 111"));
  EXPECT_THAT(session->Probe({"udp", InternetServers::kEvil, "7777", "00"}),
              Not(HasSubstr("answered")));
  EXPECT_THAT(session->Probe({"look-up", "198.51.100.53", "web.allowed.test", "1", "udp"}),
              HasSubstr("rcode -"));
  EXPECT_THAT(world_->servers().Seen(mark, InternetServers::kEvil), IsEmpty());
  EXPECT_THAT(world_->servers().Seen(mark, "datagram"), IsEmpty());
  session->ExpectEvent({"evil.test", 80, false, "is not allowed"});
}

TEST_F(EgressBypassTest, AGatewayThatIsToldToEndLosesNoEvent) {
  auto session = Limited();
  const pid_t pid = world_->GatewayPid();
  const auto mark = world_->servers().Mark();
  std::thread holder([&] {
    session->Probe({"tcp", "web.allowed.test", "7777", "recv=2000", "recv=8000"});
  });
  EXPECT_TRUE(WaitUntil([&] { return !world_->servers().Seen(mark, "open").empty(); }));
  EXPECT_THAT(Get(*session, "evil.test"), HasSubstr("403"));
  ASSERT_EQ(kill(pid, SIGTERM), 0);
  holder.join();
  EXPECT_TRUE(
      WaitUntil([&] { return world_->GatewayPid() != pid && world_->gateway().Health().ok(); }));
  session->ExpectEvent({"web.allowed.test", 7777, true, "cut because the gateway process"});
  session->ExpectEvent({"evil.test", 80, false, "is not allowed"});
}

TEST_F(EgressBypassTest, TheGatewayKilledIsBackWithinASecond) {
  auto session = Limited();
  ASSERT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
  const pid_t pid = world_->GatewayPid();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  EXPECT_TRUE(
      WaitUntil([&] { return world_->GatewayPid() != pid && world_->gateway().Health().ok(); },
                absl::Seconds(1)));
  EXPECT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
}

}  // namespace
}  // namespace paddock::nodeagent
