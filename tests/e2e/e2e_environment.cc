#include "tests/e2e/e2e_environment.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace paddock::testing {

void E2eTest::SetUp() {
  absl::StatusOr<Endpoint> endpoint = Endpoint::FromHome();
  ASSERT_TRUE(endpoint.ok()) << endpoint.status() << " (deploy/quickstart starts a system)";
  endpoint_ = *std::move(endpoint);
  client_ = std::make_unique<PaddockClient>(endpoint_);
}

void E2eTest::TearDown() {
  for (const std::string& id : sessions_) {
    const absl::Status status = client_->DeleteSession(id);
    EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << id << ": " << status;
  }
  if (!environment_id_.empty()) {
    const absl::Status status = client_->DeleteEnvironment(environment_id_);
    EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
  }
}

const std::string& E2eTest::environment_id() {
  if (environment_id_.empty()) {
    absl::StatusOr<v1::Environment> environment = client_->CreateEnvironment(UniqueName("e2e"));
    EXPECT_TRUE(environment.ok()) << environment.status();
    if (environment.ok()) environment_id_ = environment->id();
  }
  return environment_id_;
}

v1::Session E2eTest::NewSession() { return NewSession(v1::CreateSessionRequest()); }

v1::Session E2eTest::NewSession(v1::CreateSessionRequest request) {
  if (request.environment_id().empty()) request.set_environment_id(environment_id());
  absl::StatusOr<v1::Session> session = client_->CreateSession(request);
  EXPECT_TRUE(session.ok()) << session.status();
  if (!session.ok()) return v1::Session();
  sessions_.push_back(session->id());
  EXPECT_EQ(session->state(), v1::SESSION_STATE_RUNNING) << session->state_reason();
  return *session;
}

ExecResult E2eTest::Shell(const v1::Session& session, const std::string& script) {
  absl::StatusOr<ExecResult> result = client_->Shell(session.id(), script);
  EXPECT_TRUE(result.ok()) << result.status() << " for: " << script;
  return result.ok() ? *result : ExecResult();
}

v1::Session E2eTest::WaitForState(const std::string& session_id, v1::SessionState state,
                                  absl::Duration timeout) {
  auto context = client_->Context(timeout);
  v1::WatchSessionRequest request;
  request.set_session_id(session_id);
  auto stream = client_->sessions().WatchSession(context.get(), request);
  v1::Session session;
  while (stream->Read(&session)) {
    if (session.state() == state) break;
  }
  context->TryCancel();
  stream->Finish();
  return session;
}

std::unique_ptr<PaddockClient> E2eTest::ClientOfWorkspace(const std::string& workspace) {
  v1::CreateApiKeyRequest request;
  request.set_organization("e2e");
  request.set_workspace(workspace);
  request.set_name("e2e");
  v1::CreateApiKeyResponse response;
  const grpc::Status status =
      client_->admin().CreateApiKey(client_->Context().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  Endpoint endpoint = endpoint_;
  endpoint.api_key = response.secret();
  return std::make_unique<PaddockClient>(endpoint, client_->channel());
}

std::string E2eTest::UniqueName(const std::string& stem) {
  static std::atomic<int> next{0};
  return absl::StrCat(stem, "-", getpid(), "-", absl::ToUnixMicros(absl::Now()), "-", next++);
}

}  // namespace paddock::testing
