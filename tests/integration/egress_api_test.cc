// Network policies and egress events over real gRPC, with a pretended node agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/eventually.h"
#include "tests/integration/node_api_fixture.h"

namespace paddock {
namespace {

using ::testing::ElementsAre;
using testing::ErrorReason;
using testing::Eventually;
using ::testing::IsEmpty;
using testing::PaddockClient;

class EgressApiTest : public testing::NodeApiFixture {
 protected:
  std::string LimitedEnvironment(const std::string& name, bool mcp_servers) {
    v1::CreateEnvironmentRequest request;
    request.set_name(name);
    v1::LimitedNetwork* limited =
        request.mutable_config()->mutable_cloud()->mutable_networking()->mutable_limited();
    limited->add_allowed_hosts("A.Example");
    limited->add_allowed_hosts("*.b.example");
    limited->set_allow_mcp_servers(mcp_servers);
    limited->set_allow_package_managers(true);
    v1::Environment environment;
    const grpc::Status status =
        client_.environments().CreateEnvironment(client_.Context().get(), request, &environment);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return environment.id();
  }
  std::string AgentWithServers(const std::vector<std::string>& urls) {
    v1::CreateAgentRequest request;
    request.set_name("agent");
    request.mutable_model()->set_string_value("model");
    for (size_t i = 0; i < urls.size(); ++i) {
      const std::string name = absl::StrCat("server-", i);
      v1::McpServer* server = request.add_mcp_servers();
      server->set_name(name);
      server->set_url(urls[i]);
      auto& tool = *request.add_tools()->mutable_fields();
      tool["type"].set_string_value("mcp_toolset");
      tool["mcp_server_name"].set_string_value(name);
    }
    v1::Agent agent;
    const grpc::Status status =
        client_.agents().CreateAgent(client_.Context().get(), request, &agent);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return agent.id();
  }
  v1::Session Create(const std::string& environment_id, const std::string& agent_id = "") {
    v1::CreateSessionRequest request;
    request.set_environment_id(environment_id);
    if (!agent_id.empty()) request.mutable_agent()->set_id(agent_id);
    const auto session = client_.CreateSession(request);
    EXPECT_TRUE(session.ok()) << session.status();
    if (!session.ok()) return v1::Session();
    EXPECT_EQ(session->state(), v1::SESSION_STATE_RUNNING) << session->ShortDebugString();
    return *session;
  }
  internal::v1::NetworkPolicy::Limited PolicyOf(const v1::Session& session) {
    return node_.SpecOf(session.id()).network().limited();
  }

  grpc::Status List(PaddockClient* client, const v1::ListEgressEventsRequest& request,
                    std::vector<std::string>* names, std::string* next) {
    v1::ListEgressEventsResponse response;
    const grpc::Status status =
        client->sessions().ListEgressEvents(client->Context().get(), request, &response);
    names->clear();
    for (const v1::EgressEvent& event : response.events()) names->push_back(event.name());
    *next = response.next_page_token();
    return status;
  }

  std::vector<std::string> names_;
  std::string next_;
};

TEST_F(EgressApiTest, ALimitedSessionsPolicyReachesItsNode) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  ASSERT_TRUE(node_.SpecOf(session.id()).network().has_limited());
  EXPECT_THAT(PolicyOf(session).hosts(), ElementsAre("a.example", "*.b.example"));
  EXPECT_TRUE(PolicyOf(session).allow_package_managers());
  EXPECT_THAT(PolicyOf(session).host_ports(), IsEmpty());
  EXPECT_TRUE(session.config().cloud().networking().has_limited());
}

TEST_F(EgressApiTest, McpServersCountWithTheirPortsWhereTheyAreAllowed) {
  const std::string agent =
      AgentWithServers({"https://m.example/mcp", "http://n.example:8080", "http://10.1.2.3/mcp"});
  const v1::Session with = Create(LimitedEnvironment("with", true), agent);
  ASSERT_EQ(PolicyOf(with).host_ports_size(), 2);
  EXPECT_EQ(PolicyOf(with).host_ports(0).host(), "m.example");
  EXPECT_EQ(PolicyOf(with).host_ports(0).port(), 443u);
  EXPECT_EQ(PolicyOf(with).host_ports(1).host(), "n.example");
  EXPECT_EQ(PolicyOf(with).host_ports(1).port(), 8080u);
  const v1::Session without = Create(LimitedEnvironment("without", false), agent);
  EXPECT_THAT(PolicyOf(without).host_ports(), IsEmpty());
}

TEST_F(EgressApiTest, AnUpdateOfTheEnvironmentIsForNewSessionsOnly) {
  const std::string environment = LimitedEnvironment("env", false);
  const v1::Session before = Create(environment);
  v1::UpdateEnvironmentRequest update;
  update.set_environment_id(environment);
  update.mutable_config()
      ->mutable_cloud()
      ->mutable_networking()
      ->mutable_limited()
      ->add_allowed_hosts("c.example");
  v1::Environment updated;
  ASSERT_TRUE(
      client_.environments().UpdateEnvironment(client_.Context().get(), update, &updated).ok());
  const v1::Session after = Create(environment);
  EXPECT_THAT(PolicyOf(after).hosts(), ElementsAre("c.example"));
  EXPECT_THAT(PolicyOf(before).hosts(), ElementsAre("a.example", "*.b.example"));
  EXPECT_THAT(
      client_.GetSession(before.id())->config().cloud().networking().limited().allowed_hosts(),
      ElementsAre("a.example", "*.b.example"));
}

TEST_F(EgressApiTest, EventsAreListedNewestFirstInPages) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  v1::ListEgressEventsRequest request;
  request.set_session_id(session.id());
  ASSERT_TRUE(List(&client_, request, &names_, &next_).ok());
  EXPECT_THAT(names_, IsEmpty());
  for (const char* name : {"a", "b", "c"}) node_.Deny(session.id(), name);
  request.set_page_size(2);
  ASSERT_TRUE(List(&client_, request, &names_, &next_).ok());
  EXPECT_THAT(names_, ElementsAre("c", "b"));
  ASSERT_NE(next_, "");
  node_.Deny(session.id(), "later");
  request.set_page_token(next_);
  ASSERT_TRUE(List(&client_, request, &names_, &next_).ok());
  EXPECT_THAT(names_, ElementsAre("a"));
  EXPECT_EQ(next_, "");
}

TEST_F(EgressApiTest, ListChecksWhatItIsAsked) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  const v1::Session second = Create(LimitedEnvironment("second", false));
  for (const char* name : {"a", "b"}) node_.Deny(session.id(), name);
  v1::ListEgressEventsRequest request;
  request.set_session_id(session.id());
  request.set_page_size(1001);
  EXPECT_EQ(List(&client_, request, &names_, &next_).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_page_size(1);
  request.set_page_token("garbled");
  EXPECT_EQ(List(&client_, request, &names_, &next_).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.clear_page_token();
  ASSERT_TRUE(List(&client_, request, &names_, &next_).ok());
  request.set_page_token(next_);
  request.set_session_id(second.id());
  EXPECT_EQ(List(&client_, request, &names_, &next_).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(EgressApiTest, EventsAreTheTenantsOwn) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  PaddockClient other = replica_.Client("other");
  v1::ListEgressEventsRequest request;
  request.set_session_id(session.id());
  EXPECT_EQ(List(&other, request, &names_, &next_).error_code(), grpc::StatusCode::NOT_FOUND);
  v1::WatchEgressRequest watch;
  watch.set_session_id(session.id());
  const auto context = other.Context();
  const auto stream = other.sessions().WatchEgress(context.get(), watch);
  v1::EgressEvent event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(EgressApiTest, AWatchTellsWhatIsThereAndWhatComesUntilTheSessionEnds) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  node_.Deny(session.id(), "a");
  v1::WatchEgressRequest watch;
  watch.set_session_id(session.id());
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchEgress(context.get(), watch);
  v1::EgressEvent event;
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.name(), "a");
  EXPECT_EQ(event.verdict(), v1::EGRESS_VERDICT_DENIED);
  node_.Deny(session.id(), "b");
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.name(), "b");
  ASSERT_TRUE(client_.DeleteSession(session.id()).ok());
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(EgressApiTest, AnArchivedSessionsEventsAreStillListed) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  node_.Deny(session.id(), "a");
  v1::ArchiveSessionRequest archive;
  archive.set_session_id(session.id());
  v1::Session archived;
  ASSERT_TRUE(client_.sessions().ArchiveSession(client_.Context().get(), archive, &archived).ok());
  v1::ListEgressEventsRequest request;
  request.set_session_id(session.id());
  ASSERT_TRUE(List(&client_, request, &names_, &next_).ok());
  EXPECT_THAT(names_, ElementsAre("a"));
}

TEST_F(EgressApiTest, ACancelledWatchEndsOnTheNode) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  v1::WatchEgressRequest watch;
  watch.set_session_id(session.id());
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchEgress(context.get(), watch);
  ASSERT_TRUE(Eventually([&] { return node_.hanging() == 1; }));
  context->TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return node_.hanging() == 0; }));
}

TEST_F(EgressApiTest, AnUnreachableNodeIsUnavailableAtOnce) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  node_.Stop();
  const absl::Time begin = absl::Now();
  v1::ListEgressEventsRequest request;
  request.set_session_id(session.id());
  const grpc::Status status = List(&client_, request, &names_, &next_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorReason(status), "NODE_UNREACHABLE");
  v1::WatchEgressRequest watch;
  watch.set_session_id(session.id());
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchEgress(context.get(), watch);
  v1::EgressEvent event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

TEST_F(EgressApiTest, ASessionThatWasNeverPlacedHasNone) {
  v1::CordonNodeRequest cordon;
  cordon.set_node_id(node_id_);
  v1::Node node;
  ASSERT_TRUE(client_.admin().CordonNode(client_.Context().get(), cordon, &node).ok());
  v1::CreateSessionRequest create;
  create.set_environment_id(LimitedEnvironment("env", false));
  create.mutable_wait()->set_nanos(1'000'000);
  const auto waiting = client_.CreateSession(create);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  v1::ListEgressEventsRequest request;
  request.set_session_id(waiting->id());
  EXPECT_EQ(List(&client_, request, &names_, &next_).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(EgressApiTest, DrainingTheServerEndsWatches) {
  const v1::Session session = Create(LimitedEnvironment("env", false));
  v1::WatchEgressRequest watch;
  watch.set_session_id(session.id());
  const auto context = client_.Context();
  const auto stream = client_.sessions().WatchEgress(context.get(), watch);
  ASSERT_TRUE(Eventually([&] { return node_.hanging() == 1; }));
  const absl::Time begin = absl::Now();
  replica_.public_server().Drain(absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  v1::EgressEvent event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace paddock
