// The life of sessions through the public port of a running system: races, watches, and that
// nothing stays behind.

#include <gmock/gmock.h>

#include <cstdio>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/e2e_environment.h"
#include "tests/e2e/machine_census.h"

namespace paddock::testing {
namespace {

using ::testing::HasSubstr;

using SessionLifeE2eTest = E2eTest;

TEST_F(SessionLifeE2eTest, AFreshSessionShowsWhatItWasMadeOf) {
  v1::CreateSessionRequest request;
  request.set_title("first");
  (*request.mutable_metadata())["team"] = "blue";
  const v1::Session session = NewSession(request);
  EXPECT_EQ(session.title(), "first");
  EXPECT_EQ(session.metadata().at("team"), "blue");
  EXPECT_EQ(session.generation(), 1);
  EXPECT_TRUE(session.node_reachable());
  EXPECT_NE(session.node_id(), "");
  EXPECT_TRUE(session.config().cloud().networking().has_unrestricted());
  EXPECT_EQ(session.compute().limits().memory_bytes(), int64_t{2} << 30);
}

TEST_F(SessionLifeE2eTest, ARetriedCreateAnswersTheSameSession) {
  v1::CreateSessionRequest request;
  request.set_request_id(UniqueName("create"));
  const v1::Session first = NewSession(request);
  request.set_environment_id(environment_id());
  const absl::StatusOr<v1::Session> second = client().CreateSession(request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->id(), first.id());
}

TEST_F(SessionLifeE2eTest, DeleteEndsItForEverybodyAtOnce) {
  const v1::Session session = NewSession();
  ASSERT_TRUE(client().DeleteSession(session.id()).ok());
  EXPECT_EQ(client().GetSession(session.id()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client().Shell(session.id(), "true").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client().DeleteSession(session.id()).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(client().DeleteEnvironment(environment_id()).ok());
}

TEST_F(SessionLifeE2eTest, AnEnvironmentInUseIsNotDeleted) {
  const v1::Session session = NewSession();
  const absl::Status status = client().DeleteEnvironment(environment_id());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(session.id()));
}

TEST_F(SessionLifeE2eTest, ArchiveEndsTheContainerAndKeepsTheRecord) {
  const v1::Session session = NewSession();
  v1::ArchiveSessionRequest request;
  request.set_session_id(session.id());
  v1::Session first, second;
  ASSERT_TRUE(client().sessions().ArchiveSession(client().Context().get(), request, &first).ok());
  ASSERT_TRUE(client().sessions().ArchiveSession(client().Context().get(), request, &second).ok());
  EXPECT_TRUE(second.has_archived_at());
  EXPECT_EQ(WaitForState(session.id(), v1::SESSION_STATE_TERMINATED).state(),
            v1::SESSION_STATE_TERMINATED);
  EXPECT_EQ(client().Shell(session.id(), "true").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionLifeE2eTest, AWatchGoesForwardAndEndsInTheFinalState) {
  v1::CreateSessionRequest create;
  create.mutable_wait()->set_seconds(0);
  create.set_environment_id(environment_id());
  const absl::StatusOr<v1::Session> session = client().CreateSession(create);
  ASSERT_TRUE(session.ok()) << session.status();
  auto context = client().Context();
  v1::WatchSessionRequest request;
  request.set_session_id(session->id());
  auto stream = client().sessions().WatchSession(context.get(), request);
  int64_t revision = 0;
  v1::SessionState last = v1::SESSION_STATE_UNSPECIFIED;
  v1::Session event;
  while (stream->Read(&event)) {
    EXPECT_GT(event.revision(), revision);
    revision = event.revision();
    last = event.state();
    if (last == v1::SESSION_STATE_RUNNING) {
      v1::ArchiveSessionRequest archive;
      archive.set_session_id(session->id());
      v1::Session ignored;
      EXPECT_TRUE(
          client().sessions().ArchiveSession(client().Context().get(), archive, &ignored).ok());
    }
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(last, v1::SESSION_STATE_TERMINATED);
  EXPECT_TRUE(client().DeleteSession(session->id()).ok());
}

// Counts until two in a row agree: pools are refilled and kernels clean up after the answer.
std::map<std::string, int> SettledCensus(const std::string& home) {
  std::map<std::string, int> census = TakeCensus(home);
  for (int i = 0; i < 60; ++i) {
    absl::SleepFor(absl::Milliseconds(500));
    std::map<std::string, int> next = TakeCensus(home);
    if (next == census) break;
    census = std::move(next);
  }
  return census;
}

void ExpectNoMore(const std::map<std::string, int>& before,
                  const std::map<std::string, int>& after) {
  for (const auto& [what, count] : before) {
    // Connections to the database and between replicas may differ by a few.
    const int slack = what == "descriptors" ? 16 : 0;
    EXPECT_LE(after.at(what), count + slack) << what;
    std::printf("%s: %d before, %d after\n", what.c_str(), count, after.at(what));
  }
}

TEST_F(SessionLifeE2eTest, DeletedWhileItStartsLeavesNothing) {
  const auto cycle = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v1::CreateSessionRequest request;
      request.set_environment_id(environment_id());
      request.mutable_wait()->set_seconds(0);
      const absl::StatusOr<v1::Session> session = client().CreateSession(request);
      ASSERT_TRUE(session.ok()) << session.status();
      ASSERT_TRUE(client().DeleteSession(session->id()).ok());
    }
  };
  NewSession();  // Something that stays, so that no count is of nothing.
  cycle(30);     // Pools, caches and connections are at their usual size afterwards.
  const std::map<std::string, int> before = SettledCensus(endpoint().home);
  for (const char* what : {"cgroups", "router links", "rule elements", "processes",
                           "network namespaces", "user namespaces"}) {
    EXPECT_GT(before.at(what), 0) << what << " aren't counted";
  }
  cycle(30);
  ExpectNoMore(before, SettledCensus(endpoint().home));
}

TEST_F(SessionLifeE2eTest, AHundredAtOnceAllRun) {
  const std::string environment = environment_id();
  std::vector<std::thread> threads;
  std::atomic<int> running{0};
  absl::Mutex mutex;
  std::vector<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&] {
      const absl::StatusOr<v1::Session> session = client().CreateSession(environment);
      EXPECT_TRUE(session.ok()) << session.status();
      if (!session.ok()) return;
      if (session->state() == v1::SESSION_STATE_RUNNING) ++running;
      absl::MutexLock lock(&mutex);
      ids.push_back(session->id());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(running, 100);
  for (const std::string& id : ids) EXPECT_TRUE(client().DeleteSession(id).ok());
}

TEST_F(SessionLifeE2eTest, AThousandCyclesLeaveTheMachineAsItWas) {
  const std::string environment = environment_id();
  auto cycle = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const absl::StatusOr<v1::Session> session = client().CreateSession(environment);
      ASSERT_TRUE(session.ok()) << session.status();
      ASSERT_TRUE(client().DeleteSession(session->id()).ok());
    }
  };
  cycle(50);  // Pools, caches and connections are at their usual size afterwards.
  const std::map<std::string, int> before = SettledCensus(endpoint().home);
  cycle(1000);
  ExpectNoMore(before, SettledCensus(endpoint().home));
}

}  // namespace
}  // namespace paddock::testing
