#include "nodeagent/egress/dns_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(DnsAnswerTest, AnAddressQuestionIsOneThatWeUnderstand) {
  DnsQuery query = AddressQuery("www.example.com");
  DnsQuery parsed = *ParseDnsQuery(BuildDnsQuery(query, 7));
  EXPECT_EQ(parsed.name, "www.example.com");
  EXPECT_EQ(parsed.type, kDnsTypeA);
  EXPECT_EQ(parsed.question, query.question);
  EXPECT_FALSE(parsed.has_edns);
}

TEST(DnsAnswerTest, WhatIsBuiltIsRead) {
  DnsQuery query = AddressQuery("a.example");
  query.id = 77;
  std::string packet = BuildDnsAddress(query, 0xc6120001, 60);
  EXPECT_TRUE(IsDnsAnswer(packet, query, 77));
  DnsAddresses read = *ParseDnsAddresses(packet);
  EXPECT_EQ(read.rcode, 0);
  EXPECT_THAT(read.addresses, ElementsAre(0xc6120001));
  EXPECT_EQ(read.ttl, 60u);
  DnsAddresses empty = *ParseDnsAddresses(BuildDnsEmpty(query));
  EXPECT_EQ(empty.rcode, 0);
  EXPECT_THAT(empty.addresses, IsEmpty());
  EXPECT_EQ(ParseDnsAddresses(BuildDnsError(query, DnsRcode::kNoSuchName))->rcode, 3);
}

TEST(DnsAnswerTest, AliasesAreFollowedAndOtherRecordsLeftOut) {
  DnsQuery query = AddressQuery("a.example");
  std::string packet = BuildDnsEmpty(query);
  packet[7] = 3;
  packet += std::string("\xc0\x0c\0\5\0\1\0\0\0\x1e\0\4\1b\xc0\x0e", 16);  // CNAME, 30 s.
  packet += std::string("\xc0\x0c\0\x1c\0\1\0\0\1\0\0\x10", 12) + std::string(16, 1);  // AAAA.
  packet += std::string("\1b\xc0\x0e\0\1\0\1\0\0\1\0\0\4\xc0\0\2\7", 18);
  DnsAddresses read = *ParseDnsAddresses(packet);
  EXPECT_THAT(read.addresses, ElementsAre(0xc0000207));
  EXPECT_EQ(read.ttl, 30u);
  EXPECT_THAT(read.aliases, ElementsAre("b.example"));
}

TEST(DnsAnswerTest, AliasesOfEveryKindAreTold) {
  std::string packet = BuildDnsEmpty(AddressQuery("a.example"));
  packet[7] = 4;
  packet += std::string("\xc0\x0c\0\5\0\1\0\0\0\x1e\0\4\1C\xc0\x0e", 16);  // CNAME.
  packet += std::string("\xc0\x0e\0\x27\0\1\0\0\0\x1e\0\3\1d\0", 15);      // DNAME.
  packet += std::string("\xc0\x0c\0\x41\0\1\0\0\0\x1e\0\5\0\1\1e\0", 17);  // HTTPS.
  packet +=
      std::string("\1f\xc0\x0e\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\7", 18);  // A, under another name.
  EXPECT_THAT(ParseDnsAddresses(packet)->aliases,
              ElementsAre("c.example", "example", "d", "e", "f.example"));
}

TEST(DnsAnswerTest, MoreAliasesThanAnyResolverFollowsAreRefused) {
  std::string packet = BuildDnsEmpty(AddressQuery("a.example"));
  packet[7] = 100;
  for (char i = 0; i < 100; ++i) {
    packet += std::string("\xc0\x0c\0\5\0\1\0\0\0\x1e\0\4\1", 13) + i + "\xc0\x0e";
  }
  EXPECT_FALSE(ParseDnsAddresses(packet).ok());
}

TEST(DnsAnswerTest, EveryTruncationIsRefused) {
  DnsQuery query = AddressQuery("a.example");
  const std::string packet = BuildDnsAddress(query, 1, 60);
  for (size_t size = 0; size < packet.size(); ++size) {
    EXPECT_FALSE(ParseDnsAddresses(packet.substr(0, size)).ok()) << size;
  }
  std::string marked = packet;
  marked[2] = static_cast<char>(marked[2] | 2);  // Truncated.
  EXPECT_TRUE(ParseDnsAddresses(marked.substr(0, marked.size() - 3))->truncated);
}

}  // namespace
}  // namespace paddock::nodeagent
