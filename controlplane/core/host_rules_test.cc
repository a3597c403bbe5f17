#include "controlplane/core/host_rules.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(HostRulesTest, HostsAreAnsweredAsLowerCaseALabels) {
  const std::string label63(63, 'a');
  const std::string host253 =
      absl::StrCat(label63, ".", label63, ".", label63, ".", std::string(61, 'b'));
  const std::pair<std::string, std::string> cases[] = {
      {"example.com", "example.com"},
      {"API.Example.COM", "api.example.com"},
      {"*.example.com", "*.example.com"},
      {"*.Sub.Example.com", "*.sub.example.com"},
      {"localhost", "localhost"},
      {"a.b-c.d1", "a.b-c.d1"},
      {"1.example.com", "1.example.com"},
      {"1password.com", "1password.com"},
      {"bücher.example", "xn--bcher-kva.example"},
      {"BÜCHER.example", "xn--bcher-kva.example"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"*.münchen.de", "*.xn--mnchen-3ya.de"},
      {"faß.de", "xn--fa-hia.de"},
      {"пример.рф", "xn--e1afmkfd.xn--p1ai"},
      {"例え。テスト", "xn--r8jz45g.xn--zckzah"},  // An ideographic full stop separates labels.
      {"ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"},   // Full width.
      {label63 + ".com", label63 + ".com"},
      {host253, host253},
  };
  for (const auto& [host, canonical] : cases) {
    const auto result = CanonicalHost(host);
    ASSERT_TRUE(result.ok()) << host << ": " << result.status();
    EXPECT_EQ(*result, canonical);
    EXPECT_EQ(*CanonicalHost(*result), canonical) << "the canonical form is its own";
  }
}

TEST(HostRulesTest, OtherThingsAreRefusedWithTheRule) {
  const std::string label64(64, 'a');
  const std::string label63(63, 'a');
  const std::pair<std::string, const char*> cases[] = {
      {"", "must not be empty"},
      {"https://example.com", "without a scheme"},
      {"ftp://x", "without a scheme"},
      {"example.com:443", "without a port"},
      {"example.com:", "without a port"},
      {"example.com/path", "without a path"},
      {"example.com/", "without a path"},
      {"example.com?q", "without a path"},
      {"example.com#f", "without a path"},
      {"a\\b.com", "without a path"},
      {"user@example.com", "without credentials"},
      {"user:pw@example.com", "without credentials"},
      {"127.0.0.1", "not an IP address"},
      {"10.1", "not an IP address"},
      {"2130706433", "not an IP address"},
      {"0x7f.0.0.1", "not an IP address"},
      {"0x7f000001", "not an IP address"},
      {"a.0x7f", "not an IP address"},
      {"example.123", "not an IP address"},
      {"１２７.０.０.１", "not an IP address"},  // Full width.
      {"::1", "not an IP address"},
      {"[::1]", "not an IP address"},
      {"2001:db8::1", "not an IP address"},
      {"::ffff:10.0.0.1", "not an IP address"},
      {"*.10.0.0.1", "not an IP address"},
      {"*", "bare *"},
      {"**", "whole first label"},
      {"*.*.example.com", "whole first label"},
      {"a.*.example.com", "whole first label"},
      {"*a.example.com", "whole first label"},
      {"a*.example.com", "whole first label"},
      {"example.*", "whole first label"},
      {"*.", "empty label"},
      {"*example.com", "whole first label"},
      {"*.com", "public suffix"},
      {"*.co.uk", "public suffix"},
      {"*.github.io", "public suffix"},
      {"*.中国", "public suffix"},
      {"*.xn--fiqs8s", "public suffix"},
      {"*.COM", "public suffix"},
      {"*.localhost", "public suffix"},
      {".example.com", "empty label"},
      {"example.com.", "empty label"},
      {"example..com", "empty label"},
      {".", "empty label"},
      {"a_b.example.com", "letters, digits and hyphens"},
      {"a b.example.com", "letters, digits and hyphens"},
      {"exa\tmple.com", "control characters"},
      {"example.com\n", "control characters"},
      {std::string("example.com\0.evil.org", 21), "control characters"},
      {"-a.example.com", ""},
      {"a-.example.com", ""},
      {"a!.example.com", "letters, digits and hyphens"},
      {"a'.example.com", "letters, digits and hyphens"},
      {label64 + ".com", ""},
      {absl::StrCat(label63, ".", label63, ".", label63, ".", label63), ""},
      {std::string(5000, 'a'), "253 characters"},
      {"\xff.example.com", "valid UTF-8"},
      {"xn--a.example", ""},  // Not punycode of anything.
      {"xn--\u00e4.example", ""},
      {"a\u200db.example", ""},  // A joiner out of place.
      {"a\u202e.example", ""},   // Right-to-left override.
  };
  for (const auto& [host, rule] : cases) {
    const auto result = CanonicalHost(host);
    ASSERT_FALSE(result.ok()) << host << " -> " << *result;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(rule)) << host;
  }
}

TEST(HostRulesTest, DuplicatesAreDroppedAndTheOrderIsKept) {
  std::vector<std::string> hosts = {"b.com", "A.com", "*.a.com", "a.com", "B.COM"};
  Violations violations;
  CanonicalizeHosts("f", &hosts, &violations);
  EXPECT_TRUE(violations.empty());
  EXPECT_THAT(hosts, ElementsAre("b.com", "a.com", "*.a.com"));
}

TEST(HostRulesTest, ViolationsNameTheIndexThatWasGiven) {
  std::vector<std::string> hosts = {"a.com", "a.com", "http://b.com", "c.com", "*"};
  Violations violations;
  CanonicalizeHosts("config.allowed_hosts", &hosts, &violations);
  const auto found = ViolationsOf(violations.ToStatus());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].field, "config.allowed_hosts[2]");
  EXPECT_EQ(found[1].field, "config.allowed_hosts[4]");
}

TEST(HostRulesTest, AtMost256) {
  std::vector<std::string> hosts;
  for (int i = 0; i < 256; ++i) hosts.push_back(absl::StrCat("h", i, ".example.com"));
  Violations violations;
  CanonicalizeHosts("hosts", &hosts, &violations);
  EXPECT_TRUE(violations.empty());
  hosts.push_back("one.more");
  CanonicalizeHosts("hosts", &hosts, &violations);
  EXPECT_EQ(violations.ToStatus().message(), "hosts: must have at most 256 hosts, has 257");
}

}  // namespace
}  // namespace paddock
