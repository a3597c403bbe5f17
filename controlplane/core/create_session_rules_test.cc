#include "controlplane/core/create_session_rules.h"

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::ElementsAre;

CreateSessionRequest Valid() {
  CreateSessionRequest request;
  request.environment_id = EnvironmentId("env_1");
  return request;
}

std::vector<std::string> Fields(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : ViolationsOf(status)) fields.push_back(violation.field);
  return fields;
}

TEST(CreateSessionRulesTest, AnEnvironmentIsEnough) {
  EXPECT_TRUE(ValidateCreateSession(Valid(), Settings()).ok());
}

TEST(CreateSessionRulesTest, EachRuleNamesItsField) {
  using Request = CreateSessionRequest;
  struct Case {
    std::function<void(Request*)> spoil;
    const char* field;
  };
  const Case cases[] = {
      {[](Request* r) { r->environment_id = EnvironmentId(); }, "environment_id"},
      {[](Request* r) { r->agent = AgentReference{}; }, "agent.id"},
      {[](Request* r) {
         r->agent = AgentReference{AgentId("a"), -1, {}};
       },
       "agent.version"},
      {[](Request* r) { r->title = std::string(257, 't'); }, "title"},
      {[](Request* r) {
         r->metadata = {{"", "v"}};
       },
       "metadata[\"\"]"},
      {[](Request* r) { r->idempotency.request_id = std::string(129, 'r'); }, "request_id"},
      {[](Request* r) { r->wait = absl::Minutes(10) + absl::Nanoseconds(1); }, "wait"},
      {[](Request* r) { r->wait = -absl::Seconds(1); }, "wait"},
      {[](Request* r) { r->wait = absl::InfiniteDuration(); }, "wait"},
      {[](Request* r) { r->compute.limits.cpu_millis = -1; }, "compute.limits.cpu_millis"},
      {[](Request* r) { r->compute.limits.cpu_millis = 9; }, "compute.limits.cpu_millis"},
      {[](Request* r) { r->compute.limits.memory_bytes = 1; }, "compute.limits.memory_bytes"},
      {[](Request* r) { r->compute.limits.disk_bytes = (32 << 20) - 1; },
       "compute.limits.disk_bytes"},
      {[](Request* r) { r->compute.limits.disk_bytes = INT64_MAX; }, "compute.limits.disk_bytes"},
      {[](Request* r) { r->compute.limits.pids = 5'000'000; }, "compute.limits.pids"},
      {[](Request* r) { r->compute.requests.cpu_millis = 2001; }, "compute.requests.cpu_millis"},
      {[](Request* r) { r->compute.requests.memory_bytes = -1; }, "compute.requests.memory_bytes"},
      {[](Request* r) { r->compute.requests.disk_bytes = INT64_MAX; },
       "compute.requests.disk_bytes"},
      {[](Request* r) { r->compute.runtime_class = "docker"; }, "compute.runtime_class"},
      {[](Request* r) {
         r->compute.node_labels = {{"", "v"}};
       },
       "compute.node_labels[\"\"]"},
      {[](Request* r) {
         r->compute.node_labels = {{"k", std::string(257, 'v')}};
       },
       "compute.node_labels[\"k\"]"},
  };
  int index = 0;
  for (const Case& test : cases) {
    CreateSessionRequest request = Valid();
    test.spoil(&request);
    const absl::Status status = ValidateCreateSession(request, Settings());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "case " << index;
    EXPECT_THAT(Fields(status), ElementsAre(test.field)) << "case " << index;
    ++index;
  }
}

TEST(CreateSessionRulesTest, BoundsAreInclusive) {
  CreateSessionRequest request = Valid();
  request.wait = absl::Minutes(10);
  request.compute.limits.disk_bytes = 32 << 20;
  request.compute.limits.pids = kMaxPids;
  request.compute.requests = {2000, int64_t{2} << 30, 32 << 20};
  request.compute.runtime_class = "runsc";
  for (int i = 0; i < 16; ++i) request.compute.node_labels[absl::StrCat("k", i)] = "v";
  EXPECT_TRUE(ValidateCreateSession(request, Settings()).ok())
      << ValidateCreateSession(request, Settings());
  request.wait = absl::ZeroDuration();
  EXPECT_TRUE(ValidateCreateSession(request, Settings()).ok());
  request.compute.node_labels["k17"] = "v";
  EXPECT_THAT(Fields(ValidateCreateSession(request, Settings())),
              ElementsAre("compute.node_labels"));
}

TEST(EffectiveComputeTest, ZerosBecomeDefaults) {
  const Settings settings;
  const Compute effective = EffectiveCompute({}, settings);
  EXPECT_EQ(effective.limits.cpu_millis, 2000);
  EXPECT_EQ(effective.limits.memory_bytes, int64_t{2} << 30);
  EXPECT_EQ(effective.limits.disk_bytes, int64_t{10} << 30);
  EXPECT_EQ(effective.limits.pids, 1024);
  EXPECT_EQ(effective.requests.cpu_millis, settings.default_requests.cpu_millis);
}

TEST(EffectiveComputeTest, DefaultRequestsStayWithinSmallLimits) {
  Settings settings;
  settings.default_requests = {500, int64_t{1} << 30, int64_t{1} << 30};
  Compute given;
  given.limits = {100, 64 << 20, 32 << 20, 8};
  const Compute effective = EffectiveCompute(given, settings);
  EXPECT_EQ(effective.requests.cpu_millis, 100);
  EXPECT_EQ(effective.requests.memory_bytes, 64 << 20);
  EXPECT_EQ(effective.requests.disk_bytes, 32 << 20);
}

TEST(EffectiveComputeTest, GivenNumbersStay) {
  Compute given;
  given.limits = {100, 64 << 20, 64 << 20, 9};
  given.requests = {50, 32 << 20, 33 << 20};
  given.runtime_class = "runsc";
  given.node_labels = {{"zone", "a"}};
  const Compute effective = EffectiveCompute(given, Settings());
  EXPECT_EQ(effective.requests.cpu_millis, 50);
  EXPECT_EQ(effective.requests.memory_bytes, 32 << 20);
  EXPECT_EQ(effective.requests.disk_bytes, 33 << 20);
  EXPECT_EQ(effective.limits.pids, 9);
  EXPECT_EQ(effective.runtime_class, "runsc");
  EXPECT_EQ(effective.node_labels, given.node_labels);
}

TEST(SessionPatchTest, TheSessionsAgentTakesOtherToolsAndServers) {
  Session session;
  session.agent.emplace();
  session.agent->name = "a";
  session.agent->model = "m";
  session.agent->system = "kept";
  SessionPatch patch;
  patch.mcp_servers = std::vector<McpServer>{McpServer{"docs", "https://mcp.example.com"}};
  const nlohmann::json toolset = {{"type", "mcp_toolset"}, {"mcp_server_name", "docs"}};
  patch.tools = std::vector<nlohmann::json>{toolset};
  const auto changed = ApplySessionPatch(session, patch);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->agent->mcp_servers.size(), 1u);
  EXPECT_EQ(changed->agent->system, "kept");
  patch.tools.reset();
  EXPECT_EQ(ApplySessionPatch(session, patch).status().code(), absl::StatusCode::kInvalidArgument)
      << "no toolset uses the server";
  patch.mcp_servers.reset();
  patch.tools.emplace();
  session.agent.reset();
  EXPECT_EQ(ApplySessionPatch(session, patch).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SessionPatchTest, ServersStayWhereTheNetworkDependsOnThem) {
  Session session;
  session.agent.emplace();
  session.agent->name = "a";
  session.agent->model = "m";
  session.config = CloudConfig{{}, LimitedNetwork{{}, true, false}};
  SessionPatch patch;
  patch.mcp_servers = std::vector<McpServer>{McpServer{"docs", "https://mcp.example.com"}};
  const nlohmann::json toolset = {{"type", "mcp_toolset"}, {"mcp_server_name", "docs"}};
  patch.tools = std::vector<nlohmann::json>{toolset};
  EXPECT_EQ(ApplySessionPatch(session, patch).status().code(), absl::StatusCode::kUnimplemented);
  session.config = CloudConfig{{}, LimitedNetwork{{}, false, false}};
  EXPECT_TRUE(ApplySessionPatch(session, patch).ok());
}

TEST(SessionPatchTest, TitleAndMetadataAreKeptSetAndCleared) {
  Session session;
  session.title = "old";
  session.metadata = {{"k", "v"}};
  EXPECT_EQ(ApplySessionPatch(session, {})->title, "old");
  SessionPatch patch;
  patch.title = std::optional<std::string>();
  patch.metadata.entries = {{"k", ""}, {"n", "1"}};
  auto result = ApplySessionPatch(session, patch);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->title, std::nullopt);
  EXPECT_EQ(result->metadata, (Metadata{{"n", "1"}}));
  patch.metadata.keeps_empty = true;
  EXPECT_EQ(ApplySessionPatch(session, patch)->metadata, (Metadata{{"k", ""}, {"n", "1"}}));
  patch.metadata.entries["k"] = std::nullopt;
  EXPECT_EQ(ApplySessionPatch(session, patch)->metadata, (Metadata{{"n", "1"}}));
  patch.metadata.entries["k"] = "";
  patch.metadata.keeps_empty = false;
  patch.metadata.replace = true;
  EXPECT_EQ(ApplySessionPatch(session, patch)->metadata, (Metadata{{"k", ""}, {"n", "1"}}));
  patch.title = std::optional<std::string>(std::string(257, 'x'));
  patch.metadata.entries = {{std::string(65, 'k'), "v"}};
  EXPECT_EQ(ViolationsOf(ApplySessionPatch(session, patch).status()).size(), 2u);
}

Environment Ready() {
  Environment environment;
  environment.id = EnvironmentId("env_1");
  environment.config = CloudConfig{};
  return environment;
}

TEST(AdmitSessionTest, ABareCloudEnvironmentIsFine) { EXPECT_TRUE(AdmitSession(Ready()).ok()); }

TEST(AdmitSessionTest, EachObstacleHasItsReason) {
  struct Case {
    std::function<void(Environment*)> spoil;
    ErrorReason reason;
  };
  const Case cases[] = {
      {[](Environment* e) { e->archived_at = absl::UnixEpoch(); },
       ErrorReason::kEnvironmentArchived},
      {[](Environment* e) { e->config = SelfHostedConfig{}; },
       ErrorReason::kSelfHostedNotSupported},
      {[](Environment* e) { e->image.state = ImageState::kFailed; },
       ErrorReason::kImageBuildFailed},
  };
  for (const Case& test : cases) {
    Environment environment = Ready();
    test.spoil(&environment);
    EXPECT_EQ(ReasonOf(AdmitSession(environment)), test.reason);
  }
}

TEST(AdmitSessionTest, PackagesAndLimitedNetworkingAreFine) {
  Environment environment = Ready();
  CloudConfig cloud;
  cloud.packages.pip = {"pandas"};
  cloud.networking = LimitedNetwork{{}, false, true};
  environment.config = cloud;
  EXPECT_TRUE(AdmitSession(environment).ok());
}

TEST(AdmitSessionTest, AFailedBuildSaysWhatFailed) {
  Environment environment = Ready();
  environment.image.state = ImageState::kFailed;
  environment.image.failure = ImageFailure{"pip", "pandas==2.2.0", 1, "no matching distribution"};
  EXPECT_THAT(std::string(AdmitSession(environment).message()),
              testing::AllOf(testing::HasSubstr("pip \"pandas==2.2.0\", exit code 1"),
                             testing::HasSubstr("no matching distribution")));
}

}  // namespace
}  // namespace paddock
