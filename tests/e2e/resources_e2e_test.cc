// Environments and tenancy through the public port of a running system.

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/e2e/e2e_environment.h"

namespace paddock::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ResourcesE2eTest : public E2eTest {
 protected:
  grpc::Status Create(const v1::CreateEnvironmentRequest& request, v1::Environment* out) {
    return client().environments().CreateEnvironment(client().Context().get(), request, out);
  }
  grpc::Status CreateNamed(const std::string& name, v1::Environment* out) {
    v1::CreateEnvironmentRequest request;
    request.set_name(name);
    return Create(request, out);
  }
};

std::string Repeat(const std::string& unit, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += unit;
  return text;
}

TEST_F(ResourcesE2eTest, NamesOfAnyScriptUpTo256CharactersAreKept) {
  for (const std::string& unit : {std::string("x"), std::string("ß"), std::string("環"),
                                  std::string("🐎"), std::string("ع")}) {
    v1::Environment environment;
    const std::string suffix = UniqueName("");
    const std::string name = Repeat(unit, 256 - static_cast<int>(suffix.size())) + suffix;
    const grpc::Status status = CreateNamed(name, &environment);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(environment.name(), name);
    EXPECT_TRUE(client().DeleteEnvironment(environment.id()).ok());
  }
}

TEST_F(ResourcesE2eTest, EmptyAndOverLongNamesAreRefusedByName) {
  for (const std::string& name : {std::string(), Repeat("🐎", 257)}) {
    v1::Environment environment;
    const grpc::Status status = CreateNamed(name, &environment);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("name"));
    EXPECT_NE(ErrorReason(status), "");
  }
}

TEST_F(ResourcesE2eTest, MetadataBombIsRefusedAndTheServerLivesOn) {
  v1::CreateEnvironmentRequest request;
  request.set_name(UniqueName("bomb"));
  for (int i = 0; i < 40'000; ++i)
    (*request.mutable_metadata())[absl::StrCat("k", i)] = Repeat("v", 90);
  v1::Environment environment;
  EXPECT_EQ(Create(request, &environment).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  (*request.mutable_metadata())["big"] = Repeat("v", 1 << 20);
  const grpc::Status too_large = Create(request, &environment);
  EXPECT_EQ(too_large.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_FALSE(environment_id().empty());
}

TEST_F(ResourcesE2eTest, OfTwoCreatesOfOneNameOneWins) {
  const std::string name = UniqueName("race");
  v1::Environment environments[2];
  grpc::Status statuses[2];
  std::thread other([&] { statuses[1] = CreateNamed(name, &environments[1]); });
  statuses[0] = CreateNamed(name, &environments[0]);
  other.join();
  ASSERT_NE(statuses[0].ok(), statuses[1].ok());
  const int winner = statuses[0].ok() ? 0 : 1;
  EXPECT_EQ(statuses[1 - winner].error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(statuses[1 - winner].error_message(), HasSubstr(name));
  EXPECT_TRUE(client().DeleteEnvironment(environments[winner].id()).ok());
}

TEST_F(ResourcesE2eTest, SameRequestIdAnswersTheFirstResult) {
  v1::CreateEnvironmentRequest request;
  request.set_name(UniqueName("idempotent"));
  request.set_request_id(UniqueName("request"));
  v1::Environment first, second;
  ASSERT_TRUE(Create(request, &first).ok());
  ASSERT_TRUE(Create(request, &second).ok());
  EXPECT_EQ(first.id(), second.id());
  request.set_description("another body");
  EXPECT_EQ(Create(request, &second).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_TRUE(client().DeleteEnvironment(first.id()).ok());
}

TEST_F(ResourcesE2eTest, UnknownMalformedAndForeignIdsAreAlike) {
  const std::unique_ptr<PaddockClient> stranger = ClientOfWorkspace(UniqueName("w"));
  const std::string session = NewSession().id();
  // Code, reason and message, but for the id that was asked for.
  const auto answer = [](const grpc::Status& status, const std::string& id) {
    return absl::StrCat(status.error_code(), " ", ErrorReason(status), " ",
                        absl::StrReplaceAll(status.error_message(), {{id, "…"}}));
  };
  std::set<std::string> of_environments, of_sessions;
  for (const std::string& id :
       {std::string("env_00000000000000000000000000"), std::string("nonsense"),
        std::string("env_' OR 1=1 --"), environment_id()}) {
    v1::GetEnvironmentRequest get;
    get.set_environment_id(id);
    v1::Environment environment;
    of_environments.insert(answer(
        stranger->environments().GetEnvironment(stranger->Context().get(), get, &environment), id));
    v1::CreateSessionRequest create;
    create.set_environment_id(id);
    v1::Session created;
    of_environments.insert(answer(
        stranger->sessions().CreateSession(stranger->Context().get(), create, &created), id));
  }
  EXPECT_THAT(of_environments, ElementsAre(HasSubstr("5 ENVIRONMENT_NOT_FOUND")));
  for (const std::string& id : {std::string("sesn_00000000000000000000000000"),
                                std::string("nonsense"), std::string("sesn_%s"), session}) {
    v1::GetSessionRequest get;
    get.set_session_id(id);
    v1::Session found;
    of_sessions.insert(
        answer(stranger->sessions().GetSession(stranger->Context().get(), get, &found), id));
    v1::DeleteSessionRequest remove;
    remove.set_session_id(id);
    google::protobuf::Empty empty;
    of_sessions.insert(
        answer(stranger->sessions().DeleteSession(stranger->Context().get(), remove, &empty), id));
  }
  EXPECT_THAT(of_sessions, ElementsAre(HasSubstr("5 SESSION_NOT_FOUND")));
  EXPECT_EQ(Shell(NewSession(), "true").code, 0);
  EXPECT_TRUE(client().GetSession(session).ok()) << "a stranger's delete ended it";
}

TEST_F(ResourcesE2eTest, ACallWithoutKeyOrBetaHeaderIsRefused) {
  v1::ListEnvironmentsResponse response;
  grpc::ClientContext bare;
  EXPECT_EQ(client().environments().ListEnvironments(&bare, {}, &response).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  grpc::ClientContext no_beta;
  no_beta.AddMetadata("authorization", absl::StrCat("Bearer ", endpoint().api_key));
  const grpc::Status status = client().environments().ListEnvironments(&no_beta, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("anthropic-beta"));
}

TEST_F(ResourcesE2eTest, OnlyAdminKeysMayCallAdminService) {
  const std::unique_ptr<PaddockClient> plain = ClientOfWorkspace(UniqueName("w"));
  v1::ListNodesResponse response;
  EXPECT_EQ(plain->admin().ListNodes(plain->Context().get(), {}, &response).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

// Creates `count` environments with a few threads.
std::set<std::string> CreateMany(PaddockClient& client, int count) {
  std::set<std::string> ids;
  absl::Mutex mutex;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < count; i += 4) {
        absl::StatusOr<v1::Environment> made = client.CreateEnvironment(absl::StrCat("many-", i));
        ASSERT_TRUE(made.ok()) << made.status();
        absl::MutexLock lock(&mutex);
        ids.insert(made->id());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return ids;
}

TEST_F(ResourcesE2eTest, TenThousandAreListedPageByPageWhileOthersComeAndGo) {
  const std::unique_ptr<PaddockClient> tenant = ClientOfWorkspace(UniqueName("many"));
  const std::set<std::string> stable = CreateMany(*tenant, 10'000);
  ASSERT_EQ(stable.size(), 10'000u);
  std::atomic<bool> stop{false};
  std::thread churn([&] {
    for (int i = 0; !stop; ++i) {
      absl::StatusOr<v1::Environment> made = tenant->CreateEnvironment(absl::StrCat("churn-", i));
      ASSERT_TRUE(made.ok()) << made.status();
      ASSERT_TRUE(tenant->DeleteEnvironment(made->id()).ok());
    }
  });
  std::set<std::string> seen;
  v1::ListEnvironmentsRequest request;
  request.set_page_size(1000);
  int twice = 0;
  do {
    v1::ListEnvironmentsResponse response;
    const grpc::Status status =
        tenant->environments().ListEnvironments(tenant->Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) break;
    for (const v1::Environment& environment : response.environments()) {
      if (!seen.insert(environment.id()).second) ++twice;
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  stop = true;
  churn.join();
  EXPECT_EQ(twice, 0);
  for (const std::string& id : stable) EXPECT_EQ(seen.count(id), 1u) << id;
}

TEST_F(ResourcesE2eTest, ASessionFromASelfHostedEnvironmentIsRefusedByName) {
  v1::CreateEnvironmentRequest request;
  request.set_name(UniqueName("refused"));
  request.mutable_config()->mutable_self_hosted();
  v1::Environment environment;
  ASSERT_TRUE(Create(request, &environment).ok());
  const absl::StatusOr<v1::Session> session = client().CreateSession(environment.id());
  EXPECT_EQ(session.status().code(), absl::StatusCode::kUnimplemented) << session.status();
  EXPECT_THAT(std::string(session.status().message()), HasSubstr("self_hosted"));
  EXPECT_TRUE(client().DeleteEnvironment(environment.id()).ok());
}

}  // namespace
}  // namespace paddock::testing
