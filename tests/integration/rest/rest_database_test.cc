// What clients see while the database hangs: it isn't down, it says nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/error_details.h"
#include "common/grpc_status.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/integration/postgres_fixture.h"
#include "tests/integration/rest/rest_fixture.h"

namespace paddock {
namespace {

using nlohmann::json;
using testing::HttpsAnswer;
using testing::RestFixture;

// What the README promises, and what a busy machine may add.
constexpr absl::Duration kNoticed = absl::Seconds(3);
constexpr absl::Duration kAnswered = absl::Seconds(6);
constexpr absl::Duration kSlack = absl::Seconds(3);

class RestDatabaseTest : public RestFixture {
 protected:
  ~RestDatabaseTest() override { server().Continue(); }

  static PostgresServer& server() { return PostgresServer::Shared(); }
  int ReadyStatus() { return Connect()->Ask("GET", "/readyz", {}).status; }
  // How long it takes until /readyz has this status; a failure after a minute.
  absl::Duration UntilReadyIs(int status) {
    const absl::Time begin = absl::Now();
    while (ReadyStatus() != status) {
      if (absl::Now() - begin > absl::Minutes(1)) {
        ADD_FAILURE() << "/readyz is never " << status;
        break;
      }
    }
    return absl::Now() - begin;
  }
  bool Serving() {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    const auto stub = grpc::health::v1::Health::NewStub(client_.channel());
    return stub->Check(&context, {}, &response).ok() &&
           response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  }
  absl::Status GrpcCall() {
    v1::ListEnvironmentsResponse response;
    return FromGrpcStatus(
        client_.environments().ListEnvironments(client_.Context().get(), {}, &response));
  }

  testing::PaddockClient client_ = replica_->Client();
};

struct Timed {
  HttpsAnswer answer;
  absl::Duration took;
};

TEST_F(RestDatabaseTest, AHungDatabaseIsNoticedAndCallsEndInTime) {
  Post("/v1/environments", {{"name", "before"}});
  ASSERT_TRUE(GrpcCall().ok());
  // More calls than there are handlers, so that some wait in the queue.
  std::vector<Timed> calls(30);
  std::vector<std::thread> callers;
  absl::Status grpc;
  absl::Duration grpc_took;
  server().Hang(PostgresServer::Part::kAll);
  for (size_t i = 0; i < calls.size(); ++i) {
    callers.emplace_back([this, i, &timed = calls[i]] {
      const absl::Time begin = absl::Now();
      timed.answer = i % 2 == 0 ? Ask("GET", "/v1/environments")
                                : Ask("POST", "/v1/environments",
                                      json({{"name", absl::StrCat("hung ", i)}}).dump());
      timed.took = absl::Now() - begin;
    });
  }
  callers.emplace_back([&] {
    const absl::Time begin = absl::Now();
    grpc = GrpcCall();
    grpc_took = absl::Now() - begin;
  });
  EXPECT_LT(UntilReadyIs(503), kNoticed + kSlack);
  EXPECT_EQ(Connect()->Ask("GET", "/healthz", {}).status, 200) << "the process itself is well";
  for (std::thread& caller : callers) caller.join();
  for (const Timed& timed : calls) {
    EXPECT_EQ(timed.answer.status, 503) << timed.answer.body;
    EXPECT_EQ(timed.answer.headers.count("retry-after"), 1u) << timed.answer.body;
    EXPECT_LT(timed.took, kAnswered + kSlack);
  }
  EXPECT_TRUE(absl::IsUnavailable(grpc)) << grpc;
  EXPECT_EQ(ReasonOf(grpc), ErrorReason::kDatabaseUnavailable);
  EXPECT_LT(grpc_took, kAnswered + kSlack);
  EXPECT_FALSE(Serving());
  // Now that it is known, nobody waits.
  const absl::Time begin = absl::Now();
  const HttpsAnswer later = Ask("GET", "/v1/environments");
  EXPECT_EQ(later.status, 503);
  EXPECT_EQ(ErrorCode(later), "database_unavailable");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  server().Continue();
  UntilReadyIs(200);
  EXPECT_EQ(Ask("GET", "/v1/environments").status, 200);
  EXPECT_TRUE(GrpcCall().ok());
  EXPECT_TRUE(Serving());
  Post("/v1/environments", {{"name", "after"}});
}

TEST_F(RestDatabaseTest, HungConnectionsAreReplacedWhileTheServerGoesOn) {
  ASSERT_EQ(Ask("GET", "/v1/environments").status, 200);
  server().Hang(PostgresServer::Part::kBackends);
  UntilReadyIs(503);
  UntilReadyIs(200);
  EXPECT_EQ(Ask("GET", "/v1/environments").status, 200) << "on new connections";
}

}  // namespace
}  // namespace paddock
