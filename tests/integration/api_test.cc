// The public API over real gRPC, with a real database and a pretended node agent.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/error_details.h"
#include "common/grpc_status.h"
#include "common/ids.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/integration/eventually.h"
#include "tests/integration/in_process_replica.h"

namespace paddock {
namespace {

using testing::ErrorReason;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::InProcessReplica;
using testing::PaddockClient;
using ::testing::SizeIs;

class ApiTest : public ::testing::Test {
 protected:
  ApiTest()
      : replica_(std::make_unique<InProcessReplica>(InProcessReplica::Options())),
        client_(std::make_unique<PaddockClient>(replica_->Client())) {}

  grpc::Status GetEnvironment(PaddockClient& client, const std::string& id) {
    v1::GetEnvironmentRequest request;
    request.set_environment_id(id);
    v1::Environment response;
    return client.environments().GetEnvironment(client.Context().get(), request, &response);
  }

  std::unique_ptr<InProcessReplica> replica_;
  std::unique_ptr<PaddockClient> client_;
};

// --- Who calls

TEST_F(ApiTest, EveryCallNeedsAKeyThenTheBetaHeader) {
  struct Case {
    std::string key;
    std::string beta;
    grpc::StatusCode code;
    std::string reason;
  };
  const std::string good = replica_->NewKey("default", false);
  const std::string beta(kBetaValue);
  for (const Case& c : std::vector<Case>{
           {"", beta, grpc::StatusCode::UNAUTHENTICATED, "API_KEY_MISSING"},
           {"pk_wrong", beta, grpc::StatusCode::UNAUTHENTICATED, "API_KEY_INVALID"},
           {"pk_wrong", "", grpc::StatusCode::UNAUTHENTICATED, "API_KEY_INVALID"},
           {good, "", grpc::StatusCode::INVALID_ARGUMENT, "BETA_HEADER_MISSING"},
           {good, "other,x", grpc::StatusCode::INVALID_ARGUMENT, "BETA_HEADER_MISSING"},
           {good, "other, " + beta, grpc::StatusCode::OK, ""}}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!c.key.empty()) context.AddMetadata("authorization", "Bearer " + c.key);
    if (!c.beta.empty()) context.AddMetadata("anthropic-beta", c.beta);
    v1::ListEnvironmentsResponse response;
    const grpc::Status status = client_->environments().ListEnvironments(&context, {}, &response);
    EXPECT_EQ(status.error_code(), c.code) << c.key << " " << c.beta << status.error_message();
    EXPECT_EQ(ErrorReason(status), c.reason);
    if (c.reason == "BETA_HEADER_MISSING") {
      EXPECT_THAT(status.error_message(), HasSubstr("anthropic-beta"));
    }
  }
}

TEST_F(ApiTest, AdminNeedsAnAdminKey) {
  PaddockClient user = replica_->Client("default", false);
  v1::ListNodesResponse nodes;
  const grpc::Status status = user.admin().ListNodes(user.Context().get(), {}, &nodes);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ErrorReason(status), "ADMIN_KEY_REQUIRED");
  EXPECT_TRUE(client_->admin().ListNodes(client_->Context().get(), {}, &nodes).ok());
}

TEST_F(ApiTest, ARevokedKeyIsRefusedWithinFiveSeconds) {
  v1::CreateApiKeyRequest create;
  create.set_organization("org");
  create.set_workspace("default");
  create.set_name("short-lived");
  v1::CreateApiKeyResponse created;
  ASSERT_TRUE(client_->admin().CreateApiKey(client_->Context().get(), create, &created).ok());
  PaddockClient user(replica_->EndpointFor(created.secret()));
  EXPECT_EQ(GetEnvironment(user, "env_x").error_code(), grpc::StatusCode::NOT_FOUND);
  v1::RevokeApiKeyRequest revoke;
  revoke.set_api_key_id(created.api_key().id());
  v1::ApiKey revoked;
  ASSERT_TRUE(client_->admin().RevokeApiKey(client_->Context().get(), revoke, &revoked).ok());
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(Eventually([&] {
    return GetEnvironment(user, "env_x").error_code() == grpc::StatusCode::UNAUTHENTICATED;
  }));
  EXPECT_LE(absl::Now() - begin, absl::Seconds(5) + absl::Milliseconds(500));
}

// --- Health, reflection, limits

TEST_F(ApiTest, HealthNeedsNoKey) {
  const auto stub = grpc::health::v1::Health::NewStub(client_->channel());
  for (const char* service : {"", "paddock.v1.SessionService", "paddock.v1.AdminService"}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(stub->Check(&context, request, &response).ok()) << service;
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
}

TEST_F(ApiTest, AMessageAboveFourMebibytesIsResourceExhausted) {
  v1::CreateEnvironmentRequest request;
  request.set_name("bomb");
  v1::Environment response;
  // The last is refused by the library before our code sees it.
  for (const int mebibytes : {4, 5, 7, 9}) {
    (*request.mutable_metadata())["k"] = std::string(mebibytes << 20, 'x');
    const grpc::Status status =
        client_->environments().CreateEnvironment(client_->Context().get(), request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
    if (mebibytes > 8) continue;
    EXPECT_EQ(ErrorReason(status), "MESSAGE_TOO_LARGE") << mebibytes;
    EXPECT_EQ(ErrorMetadataOf(FromGrpcStatus(status))["limit_bytes"], "4194304");
  }
}

TEST_F(ApiTest, NoKindOfCallTakesALargerMessage) {
  const std::string large(5 << 20, 'x');
  const auto context = client_->Context();
  v1::WatchSessionRequest watch;
  watch.set_session_id(large);
  v1::Session session;
  auto reader = client_->sessions().WatchSession(context.get(), watch);
  EXPECT_FALSE(reader->Read(&session));
  EXPECT_EQ(ErrorReason(reader->Finish()), "MESSAGE_TOO_LARGE");
  v1::CreateSessionRequest create;
  create.set_title(large);
  EXPECT_EQ(
      ErrorReason(client_->sessions().CreateSession(client_->Context().get(), create, &session)),
      "MESSAGE_TOO_LARGE");
  v1::ReadFileRequest read;
  read.set_path(large);
  const auto read_context = client_->Context();
  v1::ReadFileResponse data;
  auto file = client_->sessions().ReadFile(read_context.get(), read);
  EXPECT_FALSE(file->Read(&data));
  EXPECT_EQ(ErrorReason(file->Finish()), "MESSAGE_TOO_LARGE");
}

TEST_F(ApiTest, AMessageBelowTheLimitIsJudgedByItsFields) {
  v1::CreateEnvironmentRequest request;
  request.set_name("bomb");
  (*request.mutable_metadata())["k"] = std::string(4'000'000, 'x');
  v1::Environment response;
  const grpc::Status status =
      client_->environments().CreateEnvironment(client_->Context().get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const std::vector<FieldViolation> violations = ViolationsOf(FromGrpcStatus(status));
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_EQ(violations[0].field, "metadata[\"k\"]");
}

TEST_F(ApiTest, OverloadIsResourceExhaustedWithRetryInfo) {
  InProcessReplica::Options options;
  options.handler_threads = 1;
  options.handler_queue = 1;
  InProcessReplica replica(options);
  PaddockClient client = replica.Client();
  absl::Notification blocked, release;
  ASSERT_TRUE(replica.handlers().TrySchedule([&] {
    blocked.Notify();
    release.WaitForNotification();
  }));
  blocked.WaitForNotification();
  ASSERT_TRUE(replica.handlers().TrySchedule([] {}));
  const grpc::Status status = GetEnvironment(client, "env_x");
  const auto exec = client.Exec("sesn_x", {"true"});
  release.Notify();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(RetryDelayOf(FromGrpcStatus(status)).has_value());
  EXPECT_TRUE(absl::IsResourceExhausted(exec.status())) << exec.status();
}

// --- Environments and agents

TEST_F(ApiTest, AnEnvironmentLivesFromCreateToDelete) {
  v1::CreateEnvironmentRequest create;
  create.set_name("データ 🐧");
  create.set_request_id("r1");
  v1::Environment made;
  ASSERT_TRUE(
      client_->environments().CreateEnvironment(client_->Context().get(), create, &made).ok());
  EXPECT_TRUE(made.config().cloud().networking().has_unrestricted());
  v1::Environment again;
  ASSERT_TRUE(
      client_->environments().CreateEnvironment(client_->Context().get(), create, &again).ok());
  EXPECT_EQ(again.id(), made.id());
  create.set_description("other");
  EXPECT_EQ(client_->environments()
                .CreateEnvironment(client_->Context().get(), create, &again)
                .error_code(),
            grpc::StatusCode::ALREADY_EXISTS);

  v1::UpdateEnvironmentRequest update;
  update.set_environment_id(made.id());
  update.set_description("new");
  v1::Environment updated;
  ASSERT_TRUE(
      client_->environments().UpdateEnvironment(client_->Context().get(), update, &updated).ok());
  EXPECT_EQ(updated.description(), "new");
  EXPECT_GT(updated.revision(), made.revision());
  update.mutable_update_mask()->add_paths("nmae");
  const grpc::Status refused =
      client_->environments().UpdateEnvironment(client_->Context().get(), update, &updated);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("nmae"));

  v1::ArchiveEnvironmentRequest archive;
  archive.set_environment_id(made.id());
  v1::Environment archived;
  ASSERT_TRUE(client_->environments()
                  .ArchiveEnvironment(client_->Context().get(), archive, &archived)
                  .ok());
  EXPECT_TRUE(archived.has_archived_at());
  v1::ListEnvironmentsRequest list;
  v1::ListEnvironmentsResponse page;
  ASSERT_TRUE(client_->environments().ListEnvironments(client_->Context().get(), list, &page).ok());
  EXPECT_EQ(page.environments_size(), 0);
  list.set_include_archived(true);
  ASSERT_TRUE(client_->environments().ListEnvironments(client_->Context().get(), list, &page).ok());
  EXPECT_EQ(page.environments_size(), 1);
  EXPECT_TRUE(client_->DeleteEnvironment(made.id()).ok());
  EXPECT_EQ(GetEnvironment(*client_, made.id()).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ApiTest, PagesFollowEachOther) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client_->CreateEnvironment(absl::StrCat("e", i)).ok());
  std::vector<std::string> names;
  v1::ListEnvironmentsRequest list;
  list.set_page_size(2);
  do {
    v1::ListEnvironmentsResponse page;
    ASSERT_TRUE(
        client_->environments().ListEnvironments(client_->Context().get(), list, &page).ok());
    for (const auto& environment : page.environments()) names.push_back(environment.name());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(names, ::testing::ElementsAre("e4", "e3", "e2", "e1", "e0"));
  list.set_page_token("garbled");
  v1::ListEnvironmentsResponse page;
  EXPECT_EQ(
      client_->environments().ListEnvironments(client_->Context().get(), list, &page).error_code(),
      grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ApiTest, OtherTenantsUnknownAndMalformedIdsLookAlike) {
  const auto made = client_->CreateEnvironment("mine");
  ASSERT_TRUE(made.ok());
  PaddockClient other = replica_->Client("other", false);
  for (const std::string& id :
       {made->id(), NewId(kEnvironmentPrefix, absl::Now()), std::string("env_x'; --"),
        std::string(), std::string(100'000, 'x')}) {
    const grpc::Status status = GetEnvironment(other, id);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(ErrorReason(status), "ENVIRONMENT_NOT_FOUND");
  }
}

TEST_F(ApiTest, AnEnvironmentIsWatchedUntilItIsDeleted) {
  const auto made = client_->CreateEnvironment("watched");
  ASSERT_TRUE(made.ok());
  v1::WatchEnvironmentRequest request;
  request.set_environment_id(made->id());
  const auto context = client_->Context();
  const auto stream = client_->environments().WatchEnvironment(context.get(), request);
  v1::WatchEnvironmentResponse event;
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.environment().revision(), made->revision());
  v1::UpdateEnvironmentRequest update;
  update.set_environment_id(made->id());
  update.set_description("new");
  v1::Environment updated;
  ASSERT_TRUE(
      client_->environments().UpdateEnvironment(client_->Context().get(), update, &updated).ok());
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.environment().description(), "new");
  ASSERT_TRUE(client_->DeleteEnvironment(made->id()).ok());
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ApiTest, AnAgentHasVersions) {
  v1::CreateAgentRequest create;
  create.set_name("a");
  create.mutable_model()->set_string_value("m");
  v1::Agent made;
  ASSERT_TRUE(client_->agents().CreateAgent(client_->Context().get(), create, &made).ok());
  v1::UpdateAgentRequest update;
  update.set_agent_id(made.id());
  update.set_version(1);
  update.set_system("s");
  v1::Agent updated;
  ASSERT_TRUE(client_->agents().UpdateAgent(client_->Context().get(), update, &updated).ok());
  EXPECT_EQ(updated.version(), 2);
  EXPECT_EQ(client_->agents().UpdateAgent(client_->Context().get(), update, &updated).error_code(),
            grpc::StatusCode::ABORTED);
  v1::GetAgentRequest get;
  get.set_agent_id(made.id());
  get.set_version(1);
  v1::Agent first;
  ASSERT_TRUE(client_->agents().GetAgent(client_->Context().get(), get, &first).ok());
  EXPECT_EQ(first.system(), "");
  v1::ListAgentVersionsRequest versions;
  versions.set_agent_id(made.id());
  v1::ListAgentVersionsResponse page;
  ASSERT_TRUE(client_->agents().ListAgentVersions(client_->Context().get(), versions, &page).ok());
  EXPECT_EQ(page.agents_size(), 2);
  v1::ListAgentsResponse agents;
  ASSERT_TRUE(client_->agents().ListAgents(client_->Context().get(), {}, &agents).ok());
  EXPECT_EQ(agents.agents_size(), 1);
  v1::ArchiveAgentRequest archive;
  archive.set_agent_id(made.id());
  v1::Agent archived;
  ASSERT_TRUE(client_->agents().ArchiveAgent(client_->Context().get(), archive, &archived).ok());
  EXPECT_TRUE(archived.has_archived_at());
}

}  // namespace
}  // namespace paddock
