#include "nodeagent/egress/dns_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Bytes(std::initializer_list<int> values) {
  std::string out;
  for (int value : values) out.push_back(static_cast<char>(value));
  return out;
}

// Id 0x1122, RD, one question.
std::string QueryHeader(int additional = 0) {
  return Bytes({0x11, 0x22, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, additional});
}
std::string ExampleQuestion() {
  return Bytes({7}) + "eXample" + Bytes({4}) + "test" + Bytes({0, 0, 1, 0, 1});
}
std::string Opt(int size, bool dnssec_ok, const std::string& options) {
  return Bytes({0, 0, 41, size >> 8, size & 255, 0, 0, dnssec_ok ? 0x80 : 0, 0, 0,
                static_cast<int>(options.size())}) +
         options;
}

TEST(DnsMessageTest, ParsesAQuery) {
  DnsQuery query = *ParseDnsQuery(QueryHeader() + ExampleQuestion());
  EXPECT_EQ(query.id, 0x1122);
  EXPECT_TRUE(query.recursion_desired);
  EXPECT_EQ(query.name, "example.test");
  EXPECT_EQ(query.type, kDnsTypeA);
  EXPECT_FALSE(query.has_edns);
}

TEST(DnsMessageTest, NamesKeepBytesThatNoHostNameHasApart) {
  std::string odd = Bytes({3}) + "a.b" + Bytes({2, 0, 255}) + Bytes({0, 0, 1, 0, 1});
  EXPECT_EQ(ParseDnsQuery(QueryHeader() + odd)->name, "a\\046b.\\000\\255");
  EXPECT_EQ(ParseDnsQuery(QueryHeader() + Bytes({0, 0, 2, 0, 1}))->name, "");
}

TEST(DnsMessageTest, EveryTruncationIsRefused) {
  std::string packet = QueryHeader(1) + ExampleQuestion() + Opt(4096, true, "abcd");
  ASSERT_TRUE(ParseDnsQuery(packet).ok());
  for (size_t size = 0; size < packet.size(); ++size) {
    EXPECT_FALSE(ParseDnsQuery(packet.substr(0, size)).ok()) << size;
  }
}

TEST(DnsMessageTest, RefusesByKind) {
  std::string question = ExampleQuestion();
  EXPECT_EQ(ParseDnsQuery("short").status().code(), absl::StatusCode::kOutOfRange);
  std::string response = QueryHeader() + question;
  response[2] = static_cast<char>(0x80);
  EXPECT_EQ(ParseDnsQuery(response).status().code(), absl::StatusCode::kOutOfRange);
  std::string update = QueryHeader() + question;
  update[2] = 5 << 3;
  EXPECT_EQ(ParseDnsQuery(update).status().code(), absl::StatusCode::kUnimplemented);
  std::string two = QueryHeader() + question + question;
  two[5] = 2;
  EXPECT_EQ(ParseDnsQuery(two).status().code(), absl::StatusCode::kInvalidArgument);
  std::string pointer = QueryHeader() + Bytes({0xc0, 12, 0, 1, 0, 1});
  EXPECT_EQ(ParseDnsQuery(pointer).status().code(), absl::StatusCode::kInvalidArgument);
  std::string not_opt = QueryHeader(1) + question + Bytes({0, 0, 250, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(ParseDnsQuery(not_opt).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DnsMessageTest, NamesLongerThan255BytesAreRefused) {
  std::string label = Bytes({63}) + std::string(63, 'a');
  std::string tail = Bytes({0, 0, 1, 0, 1});
  std::string longest = label + label + label + Bytes({61}) + std::string(61, 'a') + tail;
  EXPECT_TRUE(ParseDnsQuery(QueryHeader() + longest).ok());
  EXPECT_FALSE(ParseDnsQuery(QueryHeader() + label + label + label + label + tail).ok());
}

TEST(DnsMessageTest, WhatGoesUpstreamHoldsNothingTheSandboxMadeUp) {
  std::string packet = QueryHeader(1) + ExampleQuestion() + Opt(4096, true, "secret");
  std::string upstream = BuildDnsQuery(*ParseDnsQuery(packet), 0xabcd);
  EXPECT_EQ(upstream.substr(0, 2), Bytes({0xab, 0xcd}));
  EXPECT_THAT(upstream, HasSubstr(ExampleQuestion()));
  EXPECT_THAT(upstream, Not(HasSubstr("secret")));
  DnsQuery again = *ParseDnsQuery(upstream);
  EXPECT_TRUE(again.dnssec_ok);
  EXPECT_EQ(again.edns_size, 1232);
}

TEST(DnsMessageTest, BytesBehindTheQuestionAreRefused) {
  for (const std::string& packet : {QueryHeader() + ExampleQuestion(),
                                    QueryHeader(1) + ExampleQuestion() + Opt(512, false, "")}) {
    EXPECT_TRUE(ParseDnsQuery(packet).ok());
    EXPECT_EQ(ParseDnsQuery(packet + "c2vjcmv0").status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(DnsMessageTest, ErrorsRepeatIdAndQuestion) {
  DnsQuery query = *ParseDnsQuery(QueryHeader() + ExampleQuestion());
  std::string answer = BuildDnsError(query, DnsRcode::kNoSuchName);
  EXPECT_TRUE(IsDnsAnswer(answer, query, query.id));
  EXPECT_EQ(answer[3] & 15, 3);
  std::string update = QueryHeader() + ExampleQuestion();
  update[2] = 5 << 3;
  std::string refused = BuildDnsErrorForPacket(update, DnsRcode::kNotImplemented);
  EXPECT_EQ(refused.size(), 12u);
  EXPECT_EQ(refused.substr(0, 2), Bytes({0x11, 0x22}));
  EXPECT_EQ(refused[3] & 15, 4);
  EXPECT_EQ(BuildDnsErrorForPacket("short", DnsRcode::kFormatError), "");
}

TEST(DnsMessageTest, AnAnswerMustAgreeInIdAndQuestion) {
  DnsQuery query = *ParseDnsQuery(QueryHeader() + ExampleQuestion());
  std::string answer = BuildDnsError(query, DnsRcode::kRefused);
  EXPECT_FALSE(IsDnsAnswer(answer, query, 0x1123));
  EXPECT_FALSE(IsDnsAnswer(BuildDnsQuery(query, query.id), query, query.id));
  std::string other_case = answer;
  other_case[13] = 'E';
  EXPECT_FALSE(IsDnsAnswer(other_case, query, query.id));
  EXPECT_FALSE(IsDnsAnswer(answer.substr(0, 20), query, query.id));
  SetDnsId(&answer, 0x3344);
  EXPECT_TRUE(IsDnsAnswer(answer, query, 0x3344));
}

}  // namespace
}  // namespace paddock::nodeagent
