#include "nodeagent/egress/client_inspector.h"

#include <gtest/gtest.h>

#include <vector>

#include "nodeagent/egress/test_client_hello.h"

namespace paddock::nodeagent {
namespace {

constexpr char kName[] = "www.example.com";

TEST(ClientInspectorTest, FirstBytesTell) {
  auto classify = [](absl::string_view bytes) { return ClassifyFirstBytes(bytes); };
  EXPECT_EQ(classify(""), FirstBytes::kUndecided);
  EXPECT_EQ(classify("\x16"), FirstBytes::kUndecided);
  EXPECT_EQ(classify("\x16\x03"), FirstBytes::kTls);
  for (const char* record : {"\x14\x03", "\x15\x03\x03", "\x17\x03", "\x18\x03"}) {
    EXPECT_EQ(classify(record), FirstBytes::kTls) << "refused there: no ClientHello";
  }
  EXPECT_EQ(classify("\x16\x02\x01\x01\x10"), FirstBytes::kUndecided);
  EXPECT_EQ(classify("\x16\x02\x01\x01\x10\x01"), FirstBytes::kTls);
  EXPECT_EQ(classify("\x16\x02\x01\x01\x10\x02"), FirstBytes::kOther);
  EXPECT_EQ(classify("\x16\x10"), FirstBytes::kOther);
  EXPECT_EQ(classify("\x13\x03"), FirstBytes::kOther);
  EXPECT_EQ(classify("\x19\x03"), FirstBytes::kOther);
  for (const char* http : {"GET / HTTP/1.1\r\n", "GET ", "get /", "\r\n\r\nGET / HTTP/1.1\r\n",
                           " POST /", "FOO / HTTP/1.1\r\n", "FOO /x http/", "PRI * HTTP/2.0\r\n",
                           "CONNECT x:1 HTTP/1.1", "DELETE\t/"}) {
    EXPECT_EQ(classify(http), FirstBytes::kHttp) << http;
  }
  // White space of a lenient server.
  for (const char* http :
       {"GET\x0b/ HTTP/1.1\r\n", "GET\x0c/", "GET\r/\rHTTP/1.1\r\n", "GET\xa0/\xa0HTTP/1.1\r\n",
        "\x0bGET / HTTP/1.1\r\n", "\x1c\r\nGET /", "FOO\x0b/ HTTP/1.1\r\n", "FOO /\x0bHTTP/1.1\r\n",
        "FOO\r/\rHTTP/1.1\r\n"}) {
    EXPECT_EQ(classify(http), FirstBytes::kHttp) << http;
  }
  for (const char* other : {"SSH-2.0-OpenSSH_9\r\n", "EHLO me\r\n", "*1\r\n", "USER anonymous\r\n",
                            "<?xml", "GET\r\n", "NICK x\r\n", "\x01\x02", "word\x01"}) {
    EXPECT_EQ(classify(other), FirstBytes::kOther) << other;
  }
  for (const char* undecided :
       {"G", "GET", "GET\r", "SSH-2.0", "word", "FOO /", "FOO\r/", "\r\n", " ", "\x0b"}) {
    EXPECT_EQ(classify(undecided), FirstBytes::kUndecided) << undecided;
  }
  EXPECT_EQ(classify(absl::string_view("\0\0\0\x08\x04\xd2\x16\x2f", 8)), FirstBytes::kOther)
      << "PostgreSQL asking for TLS";
  EXPECT_EQ(classify("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), FirstBytes::kForbidden);
  EXPECT_EQ(classify(absl::string_view("\r\n\r\n\0\r\nQUIT\n", 12)), FirstBytes::kForbidden);
  EXPECT_EQ(classify(absl::string_view("\x80\x2e\x01\x03\x01", 5)), FirstBytes::kForbidden);
  EXPECT_EQ(classify("\xff\xfd\x18"), FirstBytes::kOther);
}

TEST(ClientInspectorTest, BlanksWithTheHighBitHideNoRequest) {
  for (const char* blanks : {"\xa0", "\x85", "\xa0\xa0", "\x85\xa0\r\n", "\xa0\x01", "\x85\n"}) {
    std::string bytes = std::string(blanks) + "GET /pre HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    bool request = absl::string_view(blanks) != "\xa0\x01";
    EXPECT_EQ(ClassifyFirstBytes(bytes), request ? FirstBytes::kHttp : FirstBytes::kOther);
    if (!request) continue;
    ClientInspector whole(kName, 80);
    std::string out;
    EXPECT_FALSE(whole.Feed(bytes, &out).ok());
    ClientInspector slow(kName, 80);
    absl::Status status = absl::OkStatus();
    for (size_t i = 0; i < bytes.size() && status.ok(); ++i) {
      status = slow.Feed(bytes.substr(i, 1), &out);
      if (slow.releasable()) slow.ReleaseUndecided(&out);
    }
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(out, "");
  }
  ClientInspector other(kName, 80);
  std::string out;
  ASSERT_TRUE(other.Feed("\xa0", &out).ok());
  ASSERT_TRUE(other.Feed("\x02\x03\x04", &out).ok());
  EXPECT_TRUE(other.other());
  EXPECT_EQ(out, "\xa0\x02\x03\x04");
}

TEST(ClientInspectorTest, ALongLinePassesUnlessItIsARequests) {
  const std::string word(300, 'x');
  for (const std::string& start :
       {word, "\r\n\xa0" + word, std::string("FOO ") + std::string(70'000, 'y')}) {
    for (bool request : {false, true}) {
      ClientInspector inspector(kName, 80);
      std::string out;
      ASSERT_TRUE(inspector.Feed(start, &out).ok());
      EXPECT_EQ(out, start);
      EXPECT_TRUE(inspector.other());
      EXPECT_FALSE(inspector.releasable());
      absl::Status status = absl::OkStatus();
      std::string rest = request ? " / hTTp/1.1\r\nHost: evil.test\r\n\r\n" : " / htt/\nHTTP/";
      for (size_t i = 0; i < rest.size() && status.ok(); ++i) {
        status = inspector.Feed(rest.substr(i, 1), &out);
      }
      EXPECT_EQ(status.ok(), !request);
      ASSERT_TRUE(inspector.SeeServer("answer", &out).ok());
      EXPECT_EQ(inspector.transparent(), !request);
      EXPECT_EQ(out, request ? start + " / hTTp" : start + rest);
    }
  }
  ClientInspector endless(kName, 9);
  std::string out;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(endless.Feed(std::string(4096, 'A'), &out).ok());
  EXPECT_EQ(out.size(), 100u * 4096);
  EXPECT_TRUE(endless.Finish(&out).ok());
  EXPECT_EQ(out.size(), 100u * 4096);
  ClientInspector split(kName, 80);
  ASSERT_TRUE(split.Feed(word + " / htt", &out).ok());
  EXPECT_FALSE(split.Feed("p/1.1\n", &out).ok());
  ClientInspector whole(kName, 80);
  out.clear();
  EXPECT_FALSE(whole.Feed(word + " / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", &out).ok());
  EXPECT_EQ(out, word + " / HTTP") << "as in pieces";
}

TEST(ClientInspectorTest, OtherProtocolsPass) {
  ClientInspector inspector(kName, 22);
  std::string out;
  ASSERT_TRUE(inspector.Feed("SSH-2.0-x", &out).ok());
  EXPECT_EQ(out, "");
  EXPECT_TRUE(inspector.undecided());
  ASSERT_TRUE(inspector.Feed("\r\nbinary", &out).ok());
  EXPECT_EQ(out, "SSH-2.0-x\r\nbinary");
  EXPECT_TRUE(inspector.other());
  EXPECT_FALSE(inspector.transparent()) << "a request may be behind it";
  ASSERT_TRUE(inspector.SeeServer("SSH-2.0-y\r\n", &out).ok());
  EXPECT_TRUE(inspector.transparent());
}

// Feeds bytes in pieces of `step`, the first half of a line released on the way; the verdict.
absl::Status FeedPieces(const std::string& bytes, size_t step, std::string* out, int port = 80) {
  ClientInspector inspector(kName, port);
  absl::Status status = absl::OkStatus();
  for (size_t at = 0; at < bytes.size() && status.ok(); at += step) {
    status = inspector.Feed(bytes.substr(at, step), out);
    if (status.ok() && inspector.releasable()) inspector.ReleaseUndecided(out);
  }
  if (status.ok()) status = inspector.Finish(out);
  return status;
}

// Servers drop a warning, and then take a ClientHello of any name.
TEST(ClientInspectorTest, NoRecordMayComeBeforeTheClientHello) {
  const std::string hello = TestHello(kName);
  const std::string evil = TestHello("evil.test");
  const std::string warning = TestRecord("\x01\x64", 21);
  std::vector<std::string> cases;
  for (const std::string& then : {hello, evil}) {
    cases.push_back(warning + then);
    cases.push_back(warning + warning + then);
    cases.push_back(TestRecord("\x01\x64\x01\x64", 21) + then);
    cases.push_back(TestRecord("", 21) + then);
    cases.push_back(TestRecord("", 22) + then);
    cases.push_back(TestRecord("\x01", 20) + then);
    cases.push_back(TestRecord("data", 23) + then);
    cases.push_back(TestRecord("\x01", 24) + then);
    // In the middle of it.
    cases.push_back(TestRecord(then.substr(5, 1)) + warning + TestRecord(then.substr(6)));
    cases.push_back(TestRecord(then.substr(5, 20)) + TestRecord("", 22) +
                    TestRecord(then.substr(25)));
    cases.push_back(TestRecord(then.substr(5, 20)) + TestRecord("\x01", 20) +
                    TestRecord(then.substr(25)));
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    for (size_t step : {size_t{1}, size_t{2}, size_t{5}, size_t{7}, cases[i].size()}) {
      std::string out;
      EXPECT_FALSE(FeedPieces(cases[i], step, &out, 8443).ok()) << i << " by " << step;
      EXPECT_EQ(out, "") << i << " by " << step;
    }
  }
  std::string out;
  ClientInspector inspector(kName, 443);
  EXPECT_FALSE(inspector.Feed(warning, &out).ok());
  EXPECT_STREQ(inspector.protocol(), "tls");
}

// Go takes a first record of any version below 16, and skips warnings in such ones, too.
TEST(ClientInspectorTest, AFirstRecordOfAnOddVersionIsRefused) {
  for (const char major : {0, 1, 2, 4, 15}) {
    for (std::string bytes : {TestHello("evil.test"), TestHello(kName),
                              TestRecord("\x01\x64", 21) + TestHello("evil.test")}) {
      bytes[1] = major;
      for (size_t step : {size_t{1}, size_t{3}, bytes.size()}) {
        std::string out;
        EXPECT_FALSE(FeedPieces(bytes, step, &out, 8443).ok()) << int{major};
        EXPECT_LE(out.size(), 5u) << "nothing of a message";
      }
    }
  }
  // Other protocols begin with such bytes: MySQL's and MongoDB's lengths, a word of a protocol.
  for (const absl::string_view other : {absl::string_view("\x16\x01\x00\x01\x85\xa6\xff\x01", 8),
                                        absl::string_view("\x15\x01\x00\x00\x01\x00\x00\x00", 8),
                                        absl::string_view("\x16\x20\x00\x00\x01\x01", 6)}) {
    std::string out;
    EXPECT_TRUE(FeedPieces(std::string(other), 8, &out).ok());
    EXPECT_EQ(out, other);
  }
  // One that waits for an answer to less than a header.
  std::string out;
  EXPECT_TRUE(FeedPieces(std::string("\x18\x00", 2), 2, &out).ok());
  EXPECT_EQ(out.size(), 2u);
}

// Lenient servers take them for requests.
TEST(ClientInspectorTest, JunkAroundARequestHidesNothing) {
  const std::string host = "\r\nHost: evil.test\r\n\r\n";
  for (const std::string& line :
       {std::string("(GET /s HTTP/1.1"), std::string("GET( /s HTTP/1.1"),
        std::string("\0GET /s HTTP/1.1", 16), std::string("\xef\xbb\xbfGET /s HTTP/1.1"),
        std::string("a:b /s http/1.1"), std::string("\x01\x02 / HtTp/1.0"),
        std::string("\r\n\x01GET / HTTP/1.1"), std::string("/ HTTP/1.1"),
        std::string("GET /s HTTP/1.1"),
        // A line that a server may pass over.
        std::string("junk\r\nGET /s HTTP/1.1"), std::string("\1\n\n\n post\t/s HTTP/1.1"),
        std::string("junk more of it\nnothing HTTP/1.1\n\r\n\xa0PUT /s HTTP/1.1"),
        // Without a version, and with others': Node's parser takes them.
        std::string("PROPFIND /s"), std::string("SOURCE *"), std::string("QUERY x://evil.test/s"),
        std::string("PLAY /s RTSP/1.0"), std::string("SOURCE /s\tICE/1.0")}) {
    std::string whole;
    const std::string bytes = line + host;
    EXPECT_FALSE(FeedPieces(bytes, bytes.size(), &whole).ok()) << line;
    for (size_t step : {size_t{1}, size_t{2}, size_t{7}}) {
      std::string out;
      EXPECT_FALSE(FeedPieces(bytes, step, &out).ok()) << line << " by " << step;
      EXPECT_LE(out.size(), line.size() + 1) << line << ": its end mustn't pass";
    }
  }
}

TEST(ClientInspectorTest, WhatIsNoRequestPassesAtOnce) {
  for (const std::string& bytes :
       {std::string("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), std::string("<?xml version='1.0'?>"),
        std::string("{\"id\":1,\"method\":\"a/b\"}\n"), std::string("<34>1 a b: /x/y\n"),
        std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8), std::string("\x05\x01\0", 3),
        std::string("AMQP\0\0\x09\x01", 8), std::string("\x10\x20\0\4MQTT\4", 9),
        std::string("0032git-upload-pack /project.git\0host=a\0", 41),
        std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string("EHLO me\r\n"),
        std::string("set k 0 0 2\r\nab\r\n"), std::string("NICK a\r\nUSER a 0 * :a/b\r\n"),
        std::string("@RSYNCD: 31.0\n"), std::string("stats items\r\n"),
        std::string("MAIL FROM:<a@b>\r\n"), std::string("CLIENT SETINFO LIB-NAME a/b\r\n")}) {
    ClientInspector inspector(kName, 9);
    std::string out;
    EXPECT_TRUE(inspector.Feed(bytes, &out).ok()) << bytes;
    inspector.ReleaseUndecided(&out);
    EXPECT_EQ(out, bytes);
  }
}

TEST(ClientInspectorTest, AfterAnAnswerLinesBelongToTheProtocol) {
  ClientInspector mail(kName, 25);
  std::string out;
  ASSERT_TRUE(mail.Feed("DATA\r\n", &out).ok());
  ASSERT_TRUE(mail.SeeServer("354 go on\r\n", &out).ok());
  EXPECT_TRUE(mail.transparent());
  EXPECT_TRUE(mail.Feed("GET / HTTP/1.1\r\n", &out).ok());
  EXPECT_EQ(out, "DATA\r\nGET / HTTP/1.1\r\n");
}

TEST(ClientInspectorTest, HalfALineIsReleasedAndItsRestStillJudged) {
  ClientInspector inspector(kName, 80);
  std::string out;
  ASSERT_TRUE(inspector.Feed("FOO", &out).ok());
  EXPECT_TRUE(inspector.releasable());
  inspector.ReleaseUndecided(&out);
  EXPECT_EQ(out, "FOO");
  EXPECT_TRUE(inspector.released());
  EXPECT_FALSE(inspector.transparent());
  EXPECT_FALSE(inspector.Feed(" / HTTP/1.1\r\nHost: evil.test\r\n\r\n", &out).ok());
  EXPECT_EQ(out, "FOO");
  ClientInspector fine(kName, 80);
  out.clear();
  ASSERT_TRUE(fine.Feed("FOO", &out).ok());
  fine.ReleaseUndecided(&out);
  ASSERT_TRUE(fine.Feed(" / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", &out).ok());
  EXPECT_EQ(out, "FOO / HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
}

TEST(ClientInspectorTest, WhatMayBeARequestOfAKnownMethodIsNotReleased) {
  for (const char* start : {"G", "GET", "post", "\r\n", "\x16", "PROX", "  "}) {
    ClientInspector inspector(kName, 80);
    std::string out;
    ASSERT_TRUE(inspector.Feed(start, &out).ok());
    inspector.ReleaseUndecided(&out);
    EXPECT_EQ(out, "") << start;
    EXPECT_FALSE(inspector.releasable());
    EXPECT_FALSE(inspector.released());
  }
}

TEST(ClientInspectorTest, TheClientsOwnNameIsKnownForRefusals) {
  std::string out;
  ClientInspector tls("", 443);
  EXPECT_FALSE(tls.Feed(TestHello("evil.test"), &out).ok());
  EXPECT_EQ(tls.wanted_name(), "evil.test");
  EXPECT_STREQ(tls.protocol(), "tls");
  ClientInspector http("", 80);
  EXPECT_FALSE(http.Feed("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", &out).ok());
  EXPECT_EQ(http.wanted_name(), "evil.test");
  EXPECT_STREQ(http.protocol(), "http");
  EXPECT_EQ(out, "");
}

TEST(ClientInspectorTest, AnEndInTheMiddleOfARequestIsRefused) {
  std::string out;
  ClientInspector http(kName, 80);
  ASSERT_TRUE(http.Feed("GET / HTTP/1.1\r\nHost", &out).ok());
  EXPECT_FALSE(http.Finish(&out).ok());
  ClientInspector word(kName, 80);
  ASSERT_TRUE(word.Feed("GET", &out).ok());
  EXPECT_TRUE(word.Finish(&out).ok()) << "no request without a line";
  EXPECT_EQ(out, "GET");
}

}  // namespace
}  // namespace paddock::nodeagent
