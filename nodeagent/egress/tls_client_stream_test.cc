#include "nodeagent/egress/tls_client_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nodeagent/egress/client_hello.h"
#include "nodeagent/egress/test_client_hello.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

constexpr char kName[] = "www.example.com";

std::string ServerHello(bool retry) {
  std::string random(32, 'R');
  if (retry) {
    random =
        "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
        "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
  }
  return TestRecord(TestHandshake("\x03\x03" + random + "rest", 2));
}

// Feeds everything at once; the stream's verdict.
absl::Status Judge(const std::string& bytes, int port = 443) {
  TlsClientStream stream(kName, port);
  std::string out;
  absl::Status status = stream.Feed(bytes, &out);
  if (status.ok()) {
    EXPECT_EQ(out, bytes);
  } else {
    EXPECT_EQ(out, "");
  }
  return status;
}

std::string HelloWith(const std::vector<TestExtension>& extensions) {
  return TestRecord(TestHandshake(TestHelloBody(extensions)));
}

TEST(TlsClientStreamTest, TheServerNameMustBeTheName) {
  EXPECT_TRUE(Judge(TestHello(kName)).ok());
  EXPECT_TRUE(Judge(TestHello("WWW.Example.Com")).ok());
  for (const char* other : {"example.com", "evil.test", "www.example.com.evil.test", "x"}) {
    EXPECT_THAT(std::string(Judge(TestHello(other)).message()), HasSubstr(other));
  }
}

TEST(TlsClientStreamTest, AMissingNameIsRefusedOnTheHttpsPortOnly) {
  EXPECT_FALSE(Judge(HelloWith({{10, "x"}})).ok());
  EXPECT_TRUE(Judge(HelloWith({{10, "x"}}), 5432).ok());
  EXPECT_FALSE(Judge(TestHello("evil.test"), 5432).ok()) << "a wrong one is refused on every port";
}

TEST(TlsClientStreamTest, AnEncryptedNameIsRefused) {
  EXPECT_THAT(std::string(Judge(HelloWith({TestServerName(kName), {0xfe0d, "x"}})).message()),
              HasSubstr("ECH"));
  EXPECT_FALSE(Judge(HelloWith({TestServerName(kName), {0xffce, "x"}}), 5432).ok());
}

TEST(TlsClientStreamTest, AmbiguousHellosAreRefused) {
  EXPECT_FALSE(Judge(HelloWith({TestServerName(kName), TestServerName(kName)})).ok());
  std::string two = std::string("\0", 1) + TestVector(kName, 2);
  EXPECT_FALSE(Judge(HelloWith({{0, TestVector(two + two, 2)}})).ok());
  EXPECT_FALSE(
      Judge(TestRecord(TestHandshake(TestHelloBody({TestServerName(kName)})) + "more")).ok());
  EXPECT_FALSE(Judge(TestRecord("", 22)).ok());
  EXPECT_FALSE(Judge(TestRecord("x", 23)).ok());
  EXPECT_FALSE(Judge(TestRecord(TestHandshake("abc", 2))).ok());
}

TEST(TlsClientStreamTest, AnyCutIntoSegmentsAndRecordsIsTheSame) {
  std::string message = TestHandshake(TestHelloBody({TestServerName(kName)}));
  std::string pieces;
  for (char c : message) pieces += TestRecord(std::string(1, c));
  for (const std::string& bytes : {TestRecord(message), pieces}) {
    TlsClientStream stream(kName, 443);
    std::string out;
    for (size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_TRUE(stream.incomplete());
      EXPECT_EQ(out, "") << "nothing goes out before it is whole";
      ASSERT_TRUE(stream.Feed(bytes.substr(i, 1), &out).ok());
    }
    EXPECT_EQ(out, bytes);
    EXPECT_FALSE(stream.incomplete());
  }
}

TEST(TlsClientStreamTest, AnEndlessHelloIsRefused) {
  TlsClientStream stream(kName, 443);
  std::string out;
  EXPECT_FALSE(stream.Feed(TestRecord(std::string("\x01\x7f\xff\xff", 4)), &out).ok());
  TlsClientStream slow(kName, 443);
  std::string start = TestHandshake(std::string(60'000, 'x'));
  absl::Status status = absl::OkStatus();
  for (size_t i = 0; i < start.size() && status.ok(); ++i) {
    status = slow.Feed(TestRecord(start.substr(i, 1)), &out);
  }
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(out, "");
}

TEST(TlsClientStreamTest, WhatFollowsWaitsForTheServersAnswer) {
  TlsClientStream stream(kName, 443);
  std::string out;
  std::string early = TestRecord("early data", 23);
  ASSERT_TRUE(stream.Feed(TestHello(kName) + early, &out).ok());
  EXPECT_EQ(out, TestHello(kName));
  EXPECT_FALSE(stream.wants_input());
  out.clear();
  for (char c : ServerHello(false)) {
    ASSERT_TRUE(stream.SeeServer(std::string(1, c), &out).ok());
  }
  EXPECT_TRUE(stream.transparent());
  EXPECT_EQ(out, early);
}

TEST(TlsClientStreamTest, ASecondHelloIsJudgedToo) {
  for (const char* second : {kName, "evil.test"}) {
    TlsClientStream stream(kName, 443);
    std::string out;
    ASSERT_TRUE(stream.Feed(TestHello(kName) + TestRecord("early", 23), &out).ok());
    ASSERT_TRUE(stream.SeeServer(ServerHello(true), &out).ok());
    EXPECT_FALSE(stream.transparent());
    out.clear();
    std::string bytes = TestRecord("\x01", 20) + TestHello(second);
    absl::Status status = stream.Feed(bytes + "more", &out);
    EXPECT_EQ(status.ok(), second == kName);
    EXPECT_EQ(stream.transparent(), second == kName);
    EXPECT_EQ(out, second == kName ? bytes + "more" : TestRecord("\x01", 20));
  }
}

TEST(ClientHelloTest, EveryTruncationIsRefused) {
  std::string body = TestHelloBody({{10, "abc"}, TestServerName(kName)});
  EXPECT_EQ(ParseClientHello(body)->server_name, kName);
  // Without extensions it is the ClientHello of an old client, which is whole.
  size_t old = body.size() - TestVector("", 2).size();
  for (const auto& [type, data] : std::vector<TestExtension>{{10, "abc"}, TestServerName(kName)}) {
    old -= 4 + data.size();
  }
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_EQ(ParseClientHello(body.substr(0, size)).ok(), size == old) << size;
  }
  EXPECT_FALSE(ParseClientHello(body + "x").ok());
}

}  // namespace
}  // namespace paddock::nodeagent
