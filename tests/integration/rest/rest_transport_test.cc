// What clients do that don't behave, and what many of them cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/rest/rest_fixture.h"

namespace paddock {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::HttpsAnswer;
using testing::HttpsClient;
using testing::InProcessReplica;
using testing::RestFixture;

InProcessReplica::Options ShortTimes() {
  InProcessReplica::Options options;
  options.http.idle = absl::Seconds(30);
  options.http.header = absl::Milliseconds(600);
  options.http.body = absl::Milliseconds(600);
  options.http.handshake = absl::Milliseconds(600);
  return options;
}

// gRPC, which serves here too, starts a thread now and then.
constexpr int kThreadsOfOthers = 5;

int Threads() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (absl::StartsWith(line, "Threads:")) return std::stoi(line.substr(8));
  }
  return -1;
}

class RestTransportTest : public RestFixture {
 protected:
  RestTransportTest() : RestFixture(ShortTimes()) {}

  std::string Request(const std::string& method, const std::string& target,
                      const std::string& more_headers, const std::string& body = "") {
    std::string request = absl::StrCat(method, " ", target, " HTTP/1.1\r\nhost: x\r\n");
    for (const std::string& header : Headers()) absl::StrAppend(&request, header, "\r\n");
    return absl::StrCat(request, more_headers, "\r\n", body);
  }
  HttpsAnswer Raw(const std::string& bytes) {
    auto client = Connect();
    client->Send(bytes);
    return client->Read();
  }
  // The others are served as if nothing had happened.
  void ExpectServing() { EXPECT_EQ(Ask("GET", "/v1/environments").status, 200); }
};

TEST_F(RestTransportTest, SpeaksHttp11OnlyAndSaysSoByAlpn) {
  EXPECT_EQ(Connect()->protocol(), "");
  EXPECT_EQ(Connect("\x08http/1.1")->protocol(), "http/1.1");
  EXPECT_EQ(Connect("\x02h2\x08http/1.1")->protocol(), "http/1.1");
  EXPECT_FALSE(Connect("\x02h2")->connected());
  EXPECT_EQ(Raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 400);
  ExpectServing();
}

TEST_F(RestTransportTest, BodiesThatCantBeReadGetAClearError) {
  struct Case {
    std::string name;
    std::string headers;
    std::string body;
    std::string message;
  };
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  const std::string nul("{\"name\": \"a\0b\"}", 15);
  const auto length = [](const std::string& body) {
    return absl::StrCat("content-length: ", body.size(), "\r\n");
  };
  const std::string cut = R"({"name": "x)";
  const std::string not_utf8 = "{\"name\": \"\xff\"}";
  for (const Case& c : std::vector<Case>{
           {"chunked", "transfer-encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n",
            "transfer-encoding"},
           {"gzip", "content-encoding: gzip\r\n" + length("xx"), "xx", "content-encoding"},
           {"cut", length(cut), cut, "wrong at byte"},
           {"not UTF-8", length(not_utf8), not_utf8, "UTF-8"},
           {"deep", length(deep), deep, "64 levels"},
           {"NUL", length(nul), nul, "no valid JSON"},
           {"empty", length(""), "", "empty"},
           {"escaped NUL", length(R"({"name": "a\u0000b"})"), R"({"name": "a\u0000b"})",
            "control characters"},
           {"two lengths", "content-length: 2\r\ncontent-length: 3\r\n", "{}", "HTTP/1.1"}}) {
    const HttpsAnswer answer = Raw(Request("POST", "/v1/environments", c.headers, c.body));
    EXPECT_EQ(answer.status, 400) << c.name;
    EXPECT_THAT(Message(answer), HasSubstr(c.message)) << c.name;
    EXPECT_EQ(answer.headers.at("x-should-retry"), "false") << c.name;
    EXPECT_EQ(answer.headers.count("request-id"), 1u) << c.name;
  }
  ExpectServing();
}

TEST_F(RestTransportTest, BoundsHaveTheirOwnStatus) {
  EXPECT_EQ(
      Raw(Request("GET", "/v1/environments", "x-padding: " + std::string(20'000, 'a') + "\r\n"))
          .status,
      431);
  EXPECT_EQ(Raw(Request("GET", "/" + std::string(20'000, 'a'), "")).status, 431);
  std::string big;
  big.resize(10'000'000, 'x');
  auto client = Connect();
  client->Send(Request("POST", "/v1/environments",
                       absl::StrCat("content-length: ", big.size(), "\r\n"), big));
  const HttpsAnswer answer = client->Read();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(ErrorCode(answer), "message_too_large");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  ExpectServing();
}

TEST_F(RestTransportTest, ATruncatedBodyIsAnsweredWhenTheClientStillListens) {
  auto client = Connect();
  client->Send(Request("POST", "/v1/environments", "content-length: 100\r\n", "{\"name\""));
  client->EndSending();
  const HttpsAnswer answer = client->Read();
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(Message(answer), HasSubstr("content-length"));
  EXPECT_EQ(Get("/v1/environments")["data"].size(), 0u);
}

TEST_F(RestTransportTest, SoIsARequestCutByABareFin) {
  const std::string body = Request("POST", "/v1/environments", "content-length: 100\r\n", "{\"na");
  for (const std::string& cut : {body, std::string("GET /v1/environments HTTP/1.1\r\nhost")}) {
    auto client = Connect();
    client->Send(cut);
    client->EndSendingWithoutTls();
    const HttpsAnswer answer = client->Read();
    EXPECT_EQ(answer.status, 400) << cut;
    EXPECT_EQ(ErrorCode(answer), "malformed_request") << cut;
    EXPECT_EQ(answer.headers.at("connection"), "close") << cut;
    EXPECT_TRUE(client->EndsWithin(absl::Seconds(5))) << cut;
  }
  // Nothing was begun: there is nothing to answer.
  auto idle = Connect();
  EXPECT_EQ(idle->Ask("GET", "/healthz", {}).status, 200);
  idle->EndSendingWithoutTls();
  EXPECT_EQ(idle->Read().status, 0);
  EXPECT_EQ(Get("/v1/environments")["data"].size(), 0u);
}

TEST_F(RestTransportTest, SlowAndSilentClientsAreCut) {
  auto slow_header = Connect();
  auto slow_body = Connect();
  slow_header->Send("GET /v1/environments HTTP/1.1\r\nhost");
  slow_body->Send(Request("POST", "/v1/environments", "content-length: 100\r\n", "{"));
  EXPECT_TRUE(slow_header->EndsWithin(absl::Seconds(5)));
  EXPECT_TRUE(slow_body->EndsWithin(absl::Seconds(5)));
  ExpectServing();
}

TEST_F(RestTransportTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  auto client = Connect();
  const std::string body = R"({"name": "first"})";
  client->Send(Request("POST", "/v1/environments",
                       absl::StrCat("content-length: ", body.size(), "\r\n"), body) +
               Request("GET", "/v1/environments", "") + Request("GET", "/v1/nothing", ""));
  EXPECT_EQ(Good(client->Read())["name"], "first");
  EXPECT_EQ(Good(client->Read())["data"].size(), 1u);
  EXPECT_EQ(client->Read().status, 404);
  EXPECT_EQ(client->Ask("GET", "/v1/environments", Headers()).status, 200) << "kept alive";
}

TEST_F(RestTransportTest, AClientThatWaitsForLeaveGetsIt) {
  auto client = Connect();
  const std::string body = R"({"name": "e"})";
  client->Send(
      Request("POST", "/v1/environments",
              absl::StrCat("expect: 100-continue\r\ncontent-length: ", body.size(), "\r\n")));
  EXPECT_EQ(client->ReadHead().status, 100);
  client->Send(body);
  EXPECT_EQ(client->Read().status, 200);
}

TEST_F(RestTransportTest, HeadHasNoBody) {
  auto client = Connect();
  client->Send(Request("HEAD", "/v1/environments", ""));
  EXPECT_EQ(client->ReadHead().status, 405);
  for (const char* probe : {"/healthz", "/readyz"}) {
    client->Send(Request("HEAD", probe, ""));
    const HttpsAnswer head = client->ReadHead();
    EXPECT_EQ(head.status, 200);
    EXPECT_NE(head.headers.at("content-length"), "0");
  }
  EXPECT_EQ(client->Ask("GET", "/healthz", {}).status, 200) << "nothing was left over";
}

TEST_F(RestTransportTest, WhatEndsTheServerEndsItsConnections) {
  auto idle = Connect();
  EXPECT_EQ(idle->Ask("GET", "/healthz", {}).status, 200);
  replica_->rest_server().Drain(absl::Seconds(5));
  EXPECT_TRUE(idle->EndsWithin(absl::Seconds(5)));
  EXPECT_FALSE(Connect()->connected());
}

InProcessReplica::Options NoRoom() {
  InProcessReplica::Options options;
  options.handler_queue = 0;
  return options;
}

class RestOverloadTest : public RestFixture {
 protected:
  RestOverloadTest() : RestFixture(NoRoom()) {}
};

TEST_F(RestOverloadTest, OverloadIsToldAtOnceAndWhenToComeBack) {
  const HttpsAnswer answer = Ask("GET", "/v1/environments");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(ErrorCode(answer), "overloaded");
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  EXPECT_EQ(answer.headers.count("x-should-retry"), 0u);
  EXPECT_EQ(Connect()->Ask("GET", "/healthz", {}).status, 200) << "probes need no handler";
}

class RestCrowdTest : public RestFixture {
 protected:
  // Both ends are in this process.
  bool MayOpen(size_t connections) {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * connections + 500;
  }
};

TEST_F(RestCrowdTest, FiveThousandIdleConnectionsCostNoThread) {
  constexpr size_t kConnections = 5000;
  if (!MayOpen(kConnections)) GTEST_SKIP() << "too few open files are allowed";
  EXPECT_EQ(Ask("GET", "/v1/environments").status, 200);
  const int before = Threads();
  std::vector<std::unique_ptr<HttpsClient>> clients;
  for (size_t i = 0; i < kConnections; ++i) {
    clients.push_back(Connect());
    ASSERT_TRUE(clients.back()->connected()) << i;
  }
  EXPECT_EQ(clients.front()->Ask("GET", "/v1/environments", Headers()).status, 200);
  EXPECT_EQ(clients.back()->Ask("GET", "/v1/environments", Headers()).status, 200);
  EXPECT_GE(replica_->rest_server().connections(), kConnections);
  EXPECT_LE(Threads(), before + kThreadsOfOthers);
}

TEST_F(RestCrowdTest, AThousandStreamsCostNoThreadAndAllHearTheEnd) {
  constexpr size_t kStreams = 1000;
  if (!MayOpen(kStreams)) GTEST_SKIP() << "too few open files are allowed";
  const json environment = Post("/v1/environments", {{"name", "e"}});
  const json agent = Post("/v1/agents", {{"name", "a"}, {"model", "m"}});
  const json session =
      Post("/v1/sessions", {{"agent", agent["id"]}, {"environment_id", environment["id"]}});
  const std::string path = "/v1/sessions/" + session["id"].get<std::string>();
  const int before = Threads();
  std::vector<std::unique_ptr<HttpsClient>> clients;
  std::string request = absl::StrCat("GET ", path, "/events/stream HTTP/1.1\r\nhost: x\r\n");
  for (const std::string& header : Headers()) absl::StrAppend(&request, header, "\r\n");
  for (size_t i = 0; i < kStreams; ++i) {
    clients.push_back(Connect());
    ASSERT_TRUE(clients.back()->Send(request + "\r\n"));
  }
  for (auto& client : clients) ASSERT_EQ(client->ReadHead().status, 200);
  EXPECT_LE(Threads(), before + kThreadsOfOthers);
  EXPECT_EQ(Ask("GET", "/v1/environments").status, 200);
  Good(Ask("POST", path + "/archive"));
  size_t ended = 0;
  for (auto& client : clients) {
    std::string seen;
    while (seen.find("0\r\n\r\n") == std::string::npos) {
      const std::string more = client->ReadSome();
      if (more.empty()) break;
      seen += more;
    }
    ended += absl::StrContains(seen, "session.status_terminated") ? 1 : 0;
  }
  EXPECT_EQ(ended, kStreams);
}

}  // namespace
}  // namespace paddock
