#include "nodeagent/egress/http_client_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/egress/http_head.h"

namespace paddock::nodeagent {
namespace {

constexpr char kName[] = "www.example.com";
constexpr char kHost[] = "Host: www.example.com\r\n";

struct Judged {
  absl::Status status;
  std::string out;
};

// Feeds in pieces of `step` bytes.
Judged Judge(const std::string& bytes, size_t step) {
  HttpClientStream stream(kName, 0);
  Judged judged;
  for (size_t at = 0; at < bytes.size() && judged.status.ok(); at += step) {
    judged.status = stream.Feed(absl::string_view(bytes).substr(at, step), &judged.out);
  }
  return judged;
}

void ExpectPasses(const std::string& bytes) {
  for (size_t step : {size_t{1}, size_t{7}, bytes.size()}) {
    Judged judged = Judge(bytes, step);
    EXPECT_TRUE(judged.status.ok()) << judged.status << "\n" << bytes;
    EXPECT_EQ(judged.out, bytes);
  }
}

// Refused without a byte of what is behind `passes`.
void ExpectRefused(const std::string& bytes, const std::string& passes = "") {
  for (size_t step : {size_t{1}, bytes.size()}) {
    Judged judged = Judge(bytes, step);
    EXPECT_FALSE(judged.status.ok()) << bytes;
    EXPECT_EQ(judged.out, passes) << bytes;
  }
}

std::string Request(const std::string& headers, const std::string& line = "GET / HTTP/1.1") {
  return absl::StrCat(line, "\r\n", headers, "\r\n");
}

TEST(HttpClientStreamTest, RequestsForTheNamePass) {
  ExpectPasses(Request(kHost));
  ExpectPasses(Request("Host: WWW.EXAMPLE.com:8080\r\nA: b\r\nC:\r\n"));
  ExpectPasses(Request("host:www.example.com.\r\n", "POST /x?y=http://evil.test/ HTTP/1.0"));
  ExpectPasses(Request(kHost, "GET http://www.example.com/x HTTP/1.1"));
  ExpectPasses(Request(kHost, "OPTIONS * HTTP/1.1"));
  ExpectPasses(Request(kHost) + Request(kHost) + Request(kHost));
}

TEST(HttpClientStreamTest, BodiesPassAndWhatFollowsIsARequestAgain) {
  std::string length = Request(absl::StrCat(kHost, "Content-Length: 11\r\n"), "POST / HTTP/1.1");
  ExpectPasses(length + "hello world" + Request(kHost));
  std::string chunked =
      Request(absl::StrCat(kHost, "Transfer-Encoding: chunked\r\n"), "POST / HTTP/1.1");
  ExpectPasses(chunked + "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n" + Request(kHost));
  ExpectPasses(chunked + "0\r\nTrailer: x\r\n\r\n" + Request(kHost));
  ExpectRefused(length + "hello world" + Request("Host: evil.test\r\n"), length + "hello world");
  ExpectRefused(chunked + "0\r\n\r\n" + Request("Host: evil.test\r\n"), chunked + "0\r\n\r\n");
}

TEST(HttpClientStreamTest, OtherHostsAreRefused) {
  ExpectRefused(Request("Host: evil.test\r\n"));
  ExpectRefused(Request(""));
  ExpectRefused(Request(absl::StrCat(kHost, kHost)));
  ExpectRefused(Request(absl::StrCat(kHost, "HOST: evil.test\r\n")));
  ExpectRefused(Request("Host: www.example.com evil.test\r\n"));
  ExpectRefused(Request("Host: www.example.com@evil.test\r\n"));
  ExpectRefused(Request("Host: www.example.com:80:80\r\n"));
  ExpectRefused(Request("Host: \r\n"));
  ExpectRefused(Request(kHost, "GET http://evil.test/ HTTP/1.1"));
  ExpectRefused(Request(kHost, "GET http://www.example.com@evil.test/ HTTP/1.1"));
  ExpectRefused(Request(kHost, "GET https://www.example.com/ HTTP/1.1"));
  ExpectRefused(Request(kHost, "GET evil.test HTTP/1.1"));
  ExpectRefused(Request(kHost, "CONNECT www.example.com:443 HTTP/1.1"));
  ExpectRefused(Request(kHost, "connect / HTTP/1.1"));
}

TEST(HttpClientStreamTest, WhatTwoReadersCouldReadDifferentlyIsRefused) {
  std::string post = "POST / HTTP/1.1";
  ExpectRefused(
      Request(absl::StrCat(kHost, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), post));
  ExpectRefused(Request(absl::StrCat(kHost, "Content-Length: 5\r\nContent-Length: 6\r\n"), post));
  ExpectRefused(Request(absl::StrCat(kHost, "Content-Length: 5\r\nContent-Length: 5\r\n"), post));
  // NOLINTBEGIN(bugprone-suspicious-missing-comma): a literal ends the escape before it.
  for (const char* length : {"+5", "-1", "5,5", "0x5", "5 5",
                             "\x0b"
                             "5",
                             "", "99999999999999999999"}) {
    ExpectRefused(Request(absl::StrCat(kHost, "Content-Length: ", length, "\r\n"), post));
  }
  for (const char* encoding : {"gzip, chunked", "chunked, identity", "xchunked", "\"chunked\"", "",
                               "\x0b"
                               "chunked",
                               "chunked\x0c"}) {
    ExpectRefused(Request(absl::StrCat(kHost, "Transfer-Encoding: ", encoding, "\r\n"), post));
  }
  // NOLINTEND(bugprone-suspicious-missing-comma)
  ExpectRefused(Request(absl::StrCat(kHost, "Transfer-Encoding: chunked\r\n"), "POST / HTTP/1.0"));
  ExpectRefused(Request(absl::StrCat(kHost, "A: b\r\n folded: c\r\n")));
  ExpectRefused(Request(absl::StrCat(kHost, "Content-Length : 5\r\n")));
  ExpectRefused(Request(absl::StrCat(kHost, "no colon\r\n")));
  ExpectRefused(Request(absl::StrCat(kHost, ": empty\r\n")));
  ExpectRefused(Request(absl::StrCat(kHost, "A: b\rc\r\n")));
  ExpectRefused(Request(absl::StrCat(kHost, std::string("A: b\0c\r\n", 8))));
  ExpectRefused("GET / HTTP/1.1\nHost: www.example.com\n\n");
  ExpectRefused(absl::StrCat("GET / HTTP/1.1\r\n", kHost, "A: b\n\r\n"));
  for (const char* line :
       {"GET  / HTTP/1.1", "GET /\tHTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET /",
        "GET / HTTP/2.0", "GET / HTTP/1.2", "GET / http/1.1", "PRI * HTTP/2.0", "G(T / HTTP/1.1"}) {
    ExpectRefused(Request(kHost, line));
  }
}

TEST(HttpClientStreamTest, MalformedChunksAreRefused) {
  std::string head =
      Request(absl::StrCat(kHost, "Transfer-Encoding: chunked\r\n"), "POST / HTTP/1.1");
  for (const char* size : {"\r\n", "g\r\n", "5 \r\n", "0x5\r\n", "-1\r\n", "5\n", "5;a\rb\r\n",
                           "1234567890123456\r\n", ";x\r\n"}) {
    ExpectRefused(head + size, head);
  }
  ExpectRefused(head + "1\r\nab\r\n", head + "1\r\na");
  ExpectRefused(head + "0\r\n folded\r\n\r\n", head + "0\r\n");
}

TEST(HttpClientStreamTest, HeadsAreBounded) {
  std::string endless = absl::StrCat("GET / HTTP/1.1\r\n", kHost, "A: ", std::string(70'000, 'a'));
  ExpectRefused(endless + "\r\n\r\n");
  HttpClientStream stream(kName, 0);
  std::string out;
  EXPECT_FALSE(stream.Feed(endless, &out).ok());
}

TEST(HttpClientStreamTest, AWebSocketPassesOnceTheServerAgrees) {
  std::string upgrade =
      Request(absl::StrCat(kHost, "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  HttpClientStream stream(kName, 0);
  std::string out;
  ASSERT_TRUE(stream.Feed(upgrade + "\x81\x01x", &out).ok());
  EXPECT_EQ(out, upgrade);
  EXPECT_FALSE(stream.wants_input());
  out.clear();
  for (char c : std::string("HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 101 Switching\r\n")) {
    ASSERT_TRUE(stream.SeeServer(std::string(1, c), &out).ok());
  }
  EXPECT_TRUE(stream.transparent());
  EXPECT_EQ(out, "\x81\x01x");
}

TEST(HttpClientStreamTest, ARefusedWebSocketIsNoTunnel) {
  std::string upgrade =
      Request(absl::StrCat(kHost, "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  HttpClientStream stream(kName, 0);
  std::string out;
  ASSERT_TRUE(stream.Feed(upgrade + Request("Host: evil.test\r\n"), &out).ok());
  out.clear();
  EXPECT_FALSE(stream.SeeServer("HTTP/1.1 200 OK\r\n", &out).ok());
  EXPECT_EQ(out, "");
}

TEST(HttpClientStreamTest, OtherUpgradesAreTakenOut) {
  HttpClientStream stream(kName, 0);
  std::string out;
  std::string offer =
      absl::StrCat(kHost, "Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
                   "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nUser-Agent: x\r\n");
  ASSERT_TRUE(stream.Feed(Request(offer) + Request(kHost), &out).ok());
  EXPECT_EQ(out, Request(absl::StrCat(kHost, "Connection: keep-alive\r\nUser-Agent: x\r\n")) +
                     Request(kHost));
  EXPECT_EQ(stream.upgrades_removed(), 1);
  out.clear();
  ASSERT_TRUE(stream.Feed(Request(absl::StrCat(kHost, "Upgrade: websocket, h2c\r\n")), &out).ok());
  EXPECT_EQ(out, Request(kHost));
  out.clear();
  ASSERT_TRUE(stream.Feed(Request(absl::StrCat(kHost, "Upgrade: websocket\r\n")), &out).ok());
  EXPECT_EQ(out, Request(kHost)) << "only the first request of a connection may upgrade";
}

TEST(HttpClientStreamTest, ARefusalIsUnderstoodWhenItWasTheClientsTurn) {
  const std::string good = "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
  const std::string upgrade =
      "GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\n"
      "Upgrade: websocket\r\n\r\n";
  const std::string evil = "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n";
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  for (const std::string& first : {good, upgrade}) {
    std::string out;
    HttpClientStream in_turn("www.example.com", 0);
    ASSERT_TRUE(in_turn.Feed(first, &out).ok());
    ASSERT_TRUE(in_turn.SeeServer(answer, &out).ok());
    ASSERT_TRUE(in_turn.Feed(evil.substr(0, 9), &out).ok());
    EXPECT_FALSE(in_turn.Feed(evil.substr(9), &out).ok());
    EXPECT_TRUE(in_turn.answerable());
    HttpClientStream early("www.example.com", 0);
    absl::Status status = early.Feed(first + evil, &out);
    if (status.ok()) status = early.SeeServer(answer, &out);
    EXPECT_FALSE(status.ok());
    EXPECT_FALSE(early.answerable()) << "the answer to the first isn't there yet";
    HttpClientStream between("www.example.com", 0);
    ASSERT_TRUE(between.Feed(first, &out).ok());
    ASSERT_TRUE(between.SeeServer(answer.substr(0, 20), &out).ok());
    ASSERT_TRUE(between.Feed(evil.substr(0, 9), &out).ok());
    ASSERT_TRUE(between.SeeServer(answer.substr(20), &out).ok());
    EXPECT_FALSE(between.Feed(evil.substr(9), &out).ok());
    EXPECT_FALSE(between.answerable());
  }
}

}  // namespace
}  // namespace paddock::nodeagent
