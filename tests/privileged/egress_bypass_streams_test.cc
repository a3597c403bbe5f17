// What a client says on a connection that is allowed, or isn't: TLS names, HTTP hosts, requests in
// requests, and refusals that explain themselves.

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "tests/privileged/bypass_case.h"

namespace paddock::nodeagent {
namespace {

constexpr char kWeb[] = "web.allowed.test";
constexpr char kAccessDenied[] = "reply \\x15\\x03\\x03\\x00\\x02\\x021\n";
constexpr char kServerHello[] = "reply \\x16\\x03\\x03";

// A ClientHello to web.allowed.test that must be refused for `reason`, or pass where there is none.
BypassCase Tls(const std::string& name, const CraftedHello& hello,
               const std::optional<std::string>& reason, const std::string& how = "send=") {
  BypassCase one{name, {"tcp", kWeb, "443", how + ToHex(Encode(hello)), "recv=5000"}, {}, {}, {},
                 {}};
  if (!reason) {
    one.shows = {kServerHello};
    one.seen = {"sni "};
    one.event = LimitedSession::Expected{kWeb, 443, true, ""};
  } else {
    one.shows = {kAccessDenied};
    one.unseen = {"sni"};
    one.event = LimitedSession::Expected{kWeb, 443, false, *reason};
  }
  return one;
}

std::vector<BypassCase> TlsCases() {
  const CraftedHello good = HelloFor(kWeb);
  const CraftedHello evil = HelloFor("evil.test");
  CraftedHello nameless;
  CraftedHello encrypted = good;
  encrypted.encrypted = true;
  CraftedHello two = good;
  two.second_server_name = "evil.test";
  CraftedHello long_evil = evil;
  long_evil.padding = 40'000;
  CraftedHello long_good = good;
  long_good.padding = 12'000;
  CraftedHello pieces = good;
  pieces.record_size = 40;
  CraftedHello evil_pieces = evil;
  evil_pieces.record_size = 7;
  return {
      Tls("Allowed", good, std::nullopt),
      Tls("AllowedInManySegments", good, std::nullopt, "split=3:"),
      Tls("AllowedByteByByte", good, std::nullopt, "each="),
      Tls("AllowedLong", long_good, std::nullopt),
      Tls("AllowedInManyRecords", pieces, std::nullopt),
      Tls("AllowedUpperCase", HelloFor("WEB.ALLOWED.TEST"), std::nullopt),
      Tls("NameOfAnother", evil, "SNI"),
      Tls("NameOfAnotherByteByByte", evil, "SNI", "each="),
      Tls("NameOfAnotherInManySegments", evil, "SNI", "split=5:"),
      Tls("NameOfAnotherInManyRecords", evil_pieces, "SNI"),
      Tls("NameOfAnotherFarBehind", long_evil, "SNI"),
      Tls("NameOfAnotherThatIsAllowed", HelloFor("a.wild.test"), "SNI"),
      Tls("NameWithTail", HelloFor("web.allowed.test.evil.test"), "SNI"),
      Tls("NameWithZeroByte", HelloFor(std::string("web.allowed.test\0.evil.test", 27)), ""),
      Tls("NoName", nameless, "names no server"),
      Tls("TwoNames", two, ""),
      Tls("EncryptedHello", encrypted, "ECH"),
  };
}

// Records around a ClientHello of another name, which servers drop or take.
std::vector<BypassCase> RecordCases() {
  const std::string evil = Encode(HelloFor("evil.test"));
  const std::string warning("\x15\x03\x03\x00\x02\x01\x64", 7);
  const std::string change("\x14\x03\x03\x00\x01\x01", 6);
  CraftedHello in_pieces = HelloFor("evil.test");
  in_pieces.record_size = 100;
  const std::string pieces = Encode(in_pieces);
  std::string odd = evil;
  odd[1] = 2;
  const std::pair<const char*, std::string> records[] = {
      {"WarningFirst", warning + evil},
      {"WarningsFirst", warning + warning + warning + evil},
      {"ChangeCipherSpecFirst", change + evil},
      {"DataFirst", std::string("\x17\x03\x03\x00\x01x", 6) + evil},
      {"HeartbeatFirst", std::string("\x18\x03\x03\x00\x01\x01", 6) + evil},
      {"EmptyHandshakeFirst", std::string("\x16\x03\x01\x00\x00", 5) + evil},
      {"WarningInTheMiddle", pieces.substr(0, 105) + warning + pieces.substr(105)},
      {"OddVersion", odd},
      {"WarningOfAnOddVersion", std::string("\x15\x01", 2) + warning.substr(2) + evil},
  };
  std::vector<BypassCase> cases;
  for (const auto& [label, bytes] : records) {
    for (const char* how : {"send", "each"}) {
      cases.push_back({absl::StrCat(label, "_", how),
                       {"tcp", kWeb, "443", Sends(bytes, how), "recv=5000"},
                       {kAccessDenied},
                       {},
                       {},
                       {"sni"},
                       LimitedSession::Expected{kWeb, 443, false, "TLS"}});
    }
  }
  CraftedHello asked = HelloFor(kWeb);
  asked.tls13 = true;
  CraftedHello second = HelloFor("evil.test");
  second.tls13 = true;
  cases.push_back(
      {"SecondHelloOfAnother",
       {"tcp", kWeb, "8444", Sends(Encode(asked)), "recv=5000", Sends(Encode(second)), "recv=5000"},
       {kServerHello, "\\xcf!\\xadt\\xe5", kAccessDenied},
       {},
       {"sni web.allowed.test"},
       {"sni evil.test"},
       LimitedSession::Expected{kWeb, 8444, false, "evil.test"}});
  return cases;
}

// Elsewhere than where the name says, unfinished, or no TLS at all.
std::vector<BypassCase> OtherFirstBytes() {
  std::vector<BypassCase> cases;
  const std::string half = Encode(HelloFor("evil.test")).substr(0, 60);
  cases.push_back({"NeverFinished",
                   {"tcp", kWeb, "443", Sends(half), "recv=1500"},
                   {"silence"},
                   {"reply"},
                   {"close 198.51.100.20 443 0"},
                   {"sni"},
                   LimitedSession::Expected{kWeb, 443, false, "ended in the middle"}});
  cases.push_back({"EndsInTheMiddle",
                   {"tcp", kWeb, "443", Sends(half), "shut", "recv=5000"},
                   {kAccessDenied},
                   {},
                   {},
                   {"sni"},
                   LimitedSession::Expected{kWeb, 443, false, "middle"}});
  cases.push_back({"SniOfAllowedToForbidden",
                   {"tcp", "evil.test", "443", Sends(Encode(HelloFor(kWeb))), "recv=5000"},
                   {kAccessDenied},
                   {},
                   {},
                   {"sni", "evil.test", "open 198.51.100.21"},
                   LimitedSession::Expected{"evil.test", 443, false, "is not allowed"}});
  cases.push_back(
      {"SniOfAllowedToAddressOfForbidden",
       {"tcp", InternetServers::kEvil, "443", Sends(Encode(HelloFor(kWeb))), "recv=5000"},
       {"failed 111"},
       {},
       {},
       {"sni", "open 198.51.100.21"},
       LimitedSession::Expected{"", 443, false, "limited networking"}});
  cases.push_back({"OnAnotherPortToo",
                   {"tcp", kWeb, "8443", Sends(Encode(HelloFor("evil.test"))), "recv=5000"},
                   {kAccessDenied},
                   {},
                   {},
                   {"sni"},
                   LimitedSession::Expected{kWeb, 8443, false, "SNI"}});
  cases.push_back({"McpServerOnItsPort",
                   {"tcp", "mcp.allowed.test", "8443", Sends(Encode(HelloFor("mcp.allowed.test"))),
                    "recv=5000"},
                   {kServerHello},
                   {},
                   {"sni mcp.allowed.test"},
                   {},
                   LimitedSession::Expected{"mcp.allowed.test", 8443, true, ""}});
  cases.push_back(
      {"McpServerOnAnotherPort",
       {"tcp", "mcp.allowed.test", "443", Sends(Encode(HelloFor("mcp.allowed.test"))), "recv=5000"},
       {kAccessDenied},
       {},
       {},
       {"sni"},
       LimitedSession::Expected{"mcp.allowed.test", 443, false, "port"}});
  cases.push_back({"ForbiddenNameWhereNobodySpeaks",
                   {"tcp", "evil.test", "7777", "recv=8000"},
                   {"reset 104"},
                   {"reply"},
                   {},
                   {"open 198.51.100.21"},
                   LimitedSession::Expected{"evil.test", 7777, false, "is not allowed"}});
  cases.push_back({"ForbiddenNameWithAnotherProtocol",
                   {"tcp", "evil.test", "22", Sends("SSH-2.0-probe\r\n"), "recv=8000"},
                   {"reset 104"},
                   {"reply"},
                   {},
                   {"open 198.51.100.21"},
                   LimitedSession::Expected{"evil.test", 22, false, "is not allowed"}});
  cases.push_back({"ProxyProtocol",
                   {"tcp", kWeb, "80",
                    Sends("PROXY TCP4 10.0.0.1 10.0.0.2 1 80\r\n" +
                          Request("GET /smuggled HTTP/1.1", "Host: web.allowed.test\r\n")),
                    "recv=5000"},
                   {},
                   {"200 OK"},
                   {},
                   {"/smuggled", "PROXY"},
                   LimitedSession::Expected{kWeb, 80, false, ""}});
  return cases;
}

// A request that must be refused, and nothing of it be seen. `how`: see Dialogue.
BypassCase Http(const std::string& name, const std::string& bytes, const std::string& reason = "",
                const char* how = "send") {
  return {name,
          {"tcp", kWeb, "80", Sends(bytes, how), "recv=5000"},
          {"reply HTTP/1.1 403 "},
          {"200 OK"},
          {},
          {"evil", "/smuggled", "request 198.51.100.20 80 CONNECT"},
          LimitedSession::Expected{kWeb, 80, false, reason}};
}

std::vector<BypassCase> HttpHosts() {
  const std::string get = "GET /smuggled HTTP/1.1";
  const std::string good = "Host: web.allowed.test\r\n";
  const std::string evil = "Host: evil.test\r\n";
  return {
      Http("HostOfAnother", Request(get, evil), "evil.test"),
      Http("HostOfAnotherByteByByte", Request(get, evil), "evil.test", "each"),
      Http("HostOfAnotherThatIsAllowed", Request(get, "Host: a.wild.test\r\n"), "a.wild.test"),
      Http("NoHost", Request(get, "Accept: */*\r\n")),
      Http("NoHostInOldHttp", Request("GET /smuggled HTTP/1.0", "")),
      Http("TwoHosts", Request(get, good + evil)),
      Http("TwoHostsTheOtherWay", Request(get, evil + good)),
      Http("HostFolded", Request(get, "Host: web.allowed.test\r\n evil.test\r\n")),
      Http("HostWithSpaceBeforeColon", Request(get, "Host : evil.test\r\n" + good)),
      Http("HostList", Request(get, "Host: web.allowed.test, evil.test\r\n")),
      Http("HostWithUser", Request(get, "Host: web.allowed.test@evil.test\r\n")),
      Http("HostWithZeroByte",
           Request(get, std::string("Host: web.allowed.test\0.evil.test\r\n", 35))),
      Http("AbsoluteFormOfAnother", Request("GET http://evil.test/smuggled HTTP/1.1", good)),
      Http("AbsoluteFormTheOtherWay",
           Request("GET http://web.allowed.test/smuggled HTTP/1.1", evil)),
      Http("Connect", Request("CONNECT evil.test:443 HTTP/1.1", "Host: evil.test:443\r\n")),
      Http("ConnectWithGoodHost", Request("CONNECT evil.test:443 HTTP/1.1", good)),
      Http("ConnectToAllowed",
           Request("CONNECT web.allowed.test:443 HTTP/1.1", "Host: web.allowed.test:443\r\n")),
      Http("PriorKnowledgeHttp2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Http("BlankLinesFirst", "\r\n\r\n" + Request(get, evil)),
      Http("BareLineFeeds", "GET /smuggled HTTP/1.1\nHost: evil.test\n\n"),
      Http("LowerCaseMethod", Request("get /smuggled HTTP/1.1", evil)),
      Http("VerticalTabsForSpaces", Request("GET\x0b/smuggled\x0bHTTP/1.1", evil)),
      Http("FormFeedsForSpaces", Request("GET\x0c/smuggled\x0cHTTP/1.1", evil)),
      Http("BareReturnsForSpaces", Request("GET\r/smuggled\rHTTP/1.1", evil)),
      Http("NoBreakSpacesForSpaces", Request("GET\xa0/smuggled\xa0HTTP/1.1", evil)),
      Http("VerticalTabFirst", Request("\x0bGET /smuggled HTTP/1.1", evil)),
      Http("NoBreakSpaceFirst", Request("\xa0GET /smuggled HTTP/1.1", evil)),
      Http("NextLineFirst", Request("\x85GET /smuggled HTTP/1.1", evil)),
      Http("NoBreakSpacesFirstByteByByte", Request("\xa0\xa0GET /smuggled HTTP/1.1", evil), "",
           "each"),
      Http("NextLinesFirstByteByByte", Request("\x85\x85GET /smuggled HTTP/1.1", evil), "", "each"),
      Http("UnknownMethodWithVerticalTabs", Request("BREW\x0b/smuggled\x0bHTTP/1.1", evil)),
      Http("UnknownMethod", Request("BREW /smuggled HTTP/1.1", evil)),
      Http("JunkFirst", Request("(GET /smuggled HTTP/1.1", evil)),
      Http("JunkFirstByteByByte", Request("(GET /smuggled HTTP/1.1", evil), "", "each"),
      Http("JunkBehindTheMethod", Request("GET( /smuggled HTTP/1.1", evil)),
      Http("ZeroByteFirst", Request(std::string("\0GET /smuggled HTTP/1.1", 23), evil)),
      Http("ByteOrderMarkFirst", Request("\xef\xbb\xbfGET /smuggled HTTP/1.1", evil)),
      Http("JunkLineFirst", "junk\r\n" + Request("GET /smuggled HTTP/1.1", evil)),
      Http("UnknownMethodWithoutVersion", Request("PROPFIND /smuggled", evil)),
      Http("OtherVersion", Request("PLAY /smuggled RTSP/1.0", evil)),
  };
}

// Requests that hide another one. A server that sees it would answer it, too.
std::vector<BypassCase> Smuggling() {
  const std::string good = "Host: web.allowed.test\r\n";
  const std::string hidden = Request("GET /smuggled HTTP/1.1", "Host: evil.test\r\n");
  const std::string post = "POST /first HTTP/1.1";
  const std::pair<const char*, std::string> requests[] = {
      {"LengthAndChunked",
       Request(post, good + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" +
           hidden},
      {"TwoLengths", Request(post, good + "Content-Length: 0\r\nContent-Length: " +
                                       absl::StrCat(hidden.size(), "\r\n")) +
                         hidden},
      {"LengthWithSign",
       Request(post, good + absl::StrCat("Content-Length: +", hidden.size(), "\r\n")) + hidden},
      {"LengthList",
       Request(post, good + absl::StrCat("Content-Length: 0, ", hidden.size(), "\r\n")) + hidden},
      {"ObscuredChunked",
       Request(post, good + "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n") + hidden},
      {"ChunkedAndMore",
       Request(post, good + "Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n" + hidden},
      {"ChunkedTwice",
       Request(post, good + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") +
           "0\r\n\r\n" + hidden},
      {"ChunkedWithTab", Request(post, good + "Transfer-Encoding:\x0b"
                                              "chunked\r\nContent-Length: 0\r\n") +
                             hidden},
      {"ChunkedInOldHttp",
       Request("POST /first HTTP/1.0", good + "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" +
           hidden},
      {"ChunkSizeOverflow",
       Request(post, good + "Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n" + hidden},
      {"ChunkSizeWithPrefix",
       Request(post, good + "Transfer-Encoding: chunked\r\n") + "0x0\r\n\r\n" + hidden},
      {"BareReturnInHead",
       Request("GET /first HTTP/1.1", good + "X: y\rGET /smuggled HTTP/1.1\r\n") + hidden},
      {"HeaderFolded",
       Request(post, good + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n") + hidden},
  };
  std::vector<BypassCase> cases;
  for (const auto& [label, bytes] : requests) {
    cases.push_back({label,
                     {"tcp", kWeb, "80", Sends(bytes), "recv=5000", "recv=300"},
                     {},
                     {},
                     {},
                     {"evil", "/smuggled"},
                     LimitedSession::Expected{kWeb, 80, false, ""}});
  }
  // The second request of a connection, behind a first that is fine.
  const std::string first = Request("GET /first HTTP/1.1", good);
  cases.push_back({"Pipelined",
                   {"tcp", kWeb, "80", Sends(first + hidden), "recv=5000"},
                   {},
                   {},
                   {},
                   {"evil", "/smuggled"},
                   LimitedSession::Expected{kWeb, 80, false, "evil.test"}});
  // The answer comes in one piece or in two.
  cases.push_back(
      {"AfterAnAnswer",
       {"tcp", kWeb, "80", Sends(first), "recv=5000", Sends(hidden), "recv=5000", "recv=5000"},
       {"200 OK", "reply HTTP/1.1 403 "},
       {},
       {"/first"},
       {"evil", "/smuggled"},
       LimitedSession::Expected{kWeb, 80, false, "evil.test"}});
  cases.push_back({"AfterAnUpgradeThatIsIgnored",
                   {"tcp", kWeb, "80",
                    Sends(Request("GET /first HTTP/1.1",
                                  good + "Connection: Upgrade\r\nUpgrade: websocket\r\n")),
                    "recv=5000", Sends(hidden), "recv=5000", "recv=5000"},
                   {"200 OK", "reply HTTP/1.1 403 "},
                   {},
                   {"/first"},
                   {"evil", "/smuggled"},
                   LimitedSession::Expected{kWeb, 80, false, "evil.test"}});
  cases.push_back(
      {"BehindABody",
       {"tcp", kWeb, "80", Sends(Request(post, good + "Content-Length: 3\r\n") + "abc" + hidden),
        "recv=5000"},
       {},
       {},
       {},
       {"evil", "/smuggled"},
       LimitedSession::Expected{kWeb, 80, false, "evil.test"}});
  cases.push_back({"BehindChunks",
                   {"tcp", kWeb, "80",
                    Sends(Request(post, good + "Transfer-Encoding: chunked\r\n") +
                          "3\r\nabc\r\n0\r\n\r\n" + hidden),
                    "recv=5000"},
                   {},
                   {},
                   {},
                   {"evil", "/smuggled"},
                   LimitedSession::Expected{kWeb, 80, false, "evil.test"}});
  cases.push_back({"NeverFinishedHead",
                   {"tcp", kWeb, "80", Sends("GET /smuggled HTTP/1.1\r\nHost: evil"), "recv=1500"},
                   {"silence"},
                   {"reply"},
                   {"close 198.51.100.20 80 0"},
                   {"evil", "/smuggled"},
                   LimitedSession::Expected{kWeb, 80, false, "ended in the middle"}});
  cases.push_back({"UpgradeToHttp2",
                   {"tcp", kWeb, "80",
                    Sends(Request("GET /wanted HTTP/1.1",
                                  good + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                         "HTTP2-Settings: AAMAAABkAAQAAP__\r\n")),
                    "recv=5000"},
                   {"reply HTTP/1.1 200 OK"},
                   {"101 Switching"},
                   {"/wanted"},
                   {},
                   LimitedSession::Expected{kWeb, 80, true, "upgrade"}});
  return cases;
}

std::vector<BypassCase> WhatWorks() {
  const std::string good = "Host: web.allowed.test\r\n";
  auto works = [](const char* name, const std::string& bytes, const char* how = "send") {
    return BypassCase{name,
                      {"tcp", kWeb, "80", Sends(bytes, how), "recv=5000"},
                      {"reply HTTP/1.1 200 OK"},
                      {},
                      {"/wanted"},
                      {},
                      LimitedSession::Expected{kWeb, 80, true, ""}};
  };
  return {
      works("Plain", Request("GET /wanted HTTP/1.1", good)),
      works("ByteByByte", Request("GET /wanted HTTP/1.1", good), "each"),
      works("HostWithPort", Request("GET /wanted HTTP/1.1", "Host: web.allowed.test:80\r\n")),
      works("HostInUpperCase", Request("GET /wanted HTTP/1.1", "HOST: WEB.ALLOWED.TEST\r\n")),
      works("Chunked", Request("POST /wanted HTTP/1.1", good + "Transfer-Encoding: chunked\r\n") +
                           "3\r\nabc\r\n0\r\n\r\n"),
      works("Pipelined",
            Request("GET /wanted HTTP/1.1", good) + Request("GET /wanted-too HTTP/1.1", good)),
  };
}

using EgressBypassStreamsTest = BypassSuite;

TEST_P(EgressBypassStreamsTest, EndsAsThePolicySays) { Try(GetParam()); }

class EgressRefusedBytesTest : public EgressTest {
 protected:
  static void SetUpTestSuite() { MakeWorld(SandboxHost::Root::kProbe); }
};

// What is refused at its first bytes went nowhere, whatever the client sent.
TEST_F(EgressRefusedBytesTest, WhatWasRefusedCountsForNothing) {
  auto session = Limited();
  session->Probe({"tcp", kWeb, "443", Sends(Encode(HelloFor("evil.test"))), "recv=5000"});
  session->Probe(
      {"tcp", kWeb, "80", Sends(Request("GET / HTTP/1.1", "Host: evil.test\r\n")), "recv=5000"});
  // Whether the address is refused before the client speaks or after.
  const std::string request = Request("GET / HTTP/1.1", "Host: metadata.allowed.test\r\n");
  session->Probe({"tcp", "metadata.allowed.test", "80", Sends(request), "recv=5000"});
  session->Probe({"tcp", "metadata.allowed.test", "80", Sends(request, "each"), "recv=5000"});
  session->ExpectEvent({kWeb, 443, false, "SNI"});
  session->ExpectEvent({kWeb, 80, false, "evil.test"});
  session->ExpectEvent({"metadata.allowed.test", 80, false, "no sandbox may reach"});
  for (const EgressEvent& event : session->Events()) {
    if (event.allowed) continue;
    EXPECT_EQ(event.bytes_sent, 0) << ToString(event);
    EXPECT_EQ(event.protocol, event.port == 443 ? "tls" : "http") << ToString(event);
  }
  const absl::StatusOr<GatewayStats> stats = world_->client().Stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->session_egress.at(session->session().session_id).bytes_sent, 0);
}

INSTANTIATE_TEST_SUITE_P(Tls, EgressBypassStreamsTest, ::testing::ValuesIn(TlsCases()), BypassName);
INSTANTIATE_TEST_SUITE_P(Record, EgressBypassStreamsTest, ::testing::ValuesIn(RecordCases()),
                         BypassName);
INSTANTIATE_TEST_SUITE_P(Other, EgressBypassStreamsTest, ::testing::ValuesIn(OtherFirstBytes()),
                         BypassName);
INSTANTIATE_TEST_SUITE_P(Http, EgressBypassStreamsTest, ::testing::ValuesIn(HttpHosts()),
                         BypassName);
INSTANTIATE_TEST_SUITE_P(Smuggling, EgressBypassStreamsTest, ::testing::ValuesIn(Smuggling()),
                         BypassName);
INSTANTIATE_TEST_SUITE_P(Works, EgressBypassStreamsTest, ::testing::ValuesIn(WhatWorks()),
                         BypassName);

}  // namespace
}  // namespace paddock::nodeagent
