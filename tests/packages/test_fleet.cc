#include "tests/packages/test_fleet.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/integration/postgres_fixture.h"

namespace paddock::testing {
namespace {

constexpr absl::Duration kBuildPatience = absl::Minutes(14);

void AddAll(const std::vector<std::string>& specs,
            google::protobuf::RepeatedPtrField<std::string>* field) {
  for (const std::string& spec : specs) *field->Add() = spec;
}

}  // namespace

TestFleet::TestFleet(int replicas, const std::vector<std::string>& flags) {
  const auto url = PostgresServer::Shared().CreateDatabase();
  EXPECT_TRUE(url.ok()) << url.status();
  for (int i = 0; i < replicas; ++i) {
    replicas_.push_back(std::make_unique<TestReplica>(
        i, TestReplica::Options{url.value_or(""), &certificates_, flags}));
    const std::string problem = replicas_.back()->Start();
    EXPECT_EQ(problem, "");
  }
  const std::string key = replicas_[0]->NewKey();
  for (const auto& replica : replicas_) {
    clients_.push_back(std::make_unique<PaddockClient>(replica->EndpointFor(key)));
  }
}

TestFleet::~TestFleet() = default;

TestAgent& TestFleet::AddAgent(std::vector<std::string> flags) {
  std::vector<std::string> addresses;
  for (const auto& replica : replicas_) {
    addresses.push_back(absl::StrCat("127.0.0.1:", replica->internal_port()));
  }
  flags.push_back(absl::StrCat("--control_plane=", absl::StrJoin(addresses, ",")));
  agents_.push_back(std::make_unique<TestAgent>(static_cast<int>(agents_.size()), std::move(flags),
                                                &certificates_));
  return *agents_.back();
}

void TestFleet::Join(TestAgent& agent) {
  const std::string problem = agent.Start();
  ASSERT_EQ(problem, "");
  const auto is_ready = [&] {
    v1::ListNodesResponse nodes;
    for (const auto& client : clients_) {
      if (client->admin().ListNodes(client->Context().get(), {}, &nodes).ok()) break;
    }
    for (const v1::Node& node : nodes.nodes()) {
      if (node.id() == agent.node_id() && node.state() == v1::NODE_STATE_READY) return true;
    }
    return false;
  };
  ASSERT_TRUE(Eventually(is_ready)) << "the node doesn't come";
}

void TestFleet::Cordon(const TestAgent& agent) {
  v1::CordonNodeRequest request;
  request.set_node_id(agent.node_id());
  v1::Node node;
  const grpc::Status status = client().admin().CordonNode(client().Context().get(), request, &node);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TestAgent& TestFleet::AgentOf(const std::string& node_id) {
  for (const auto& agent : agents_) {
    if (agent->node_id() == node_id) return *agent;
  }
  ADD_FAILURE() << "no agent " << node_id;
  return *agents_[0];
}

v1::Environment TestFleet::CreateEnvironment(const Packages& packages, int replica,
                                             const std::vector<std::string>* limited_to) {
  v1::CreateEnvironmentRequest request;
  request.set_name(absl::StrCat("packages-", next_++));
  v1::CloudConfig* cloud = request.mutable_config()->mutable_cloud();
  v1::Packages* lists = cloud->mutable_packages();
  for (const auto& [manager, specs] : packages) {
    if (manager == "apt") AddAll(specs, lists->mutable_apt());
    if (manager == "cargo") AddAll(specs, lists->mutable_cargo());
    if (manager == "gem") AddAll(specs, lists->mutable_gem());
    if (manager == "go") AddAll(specs, lists->mutable_go());
    if (manager == "npm") AddAll(specs, lists->mutable_npm());
    if (manager == "pip") AddAll(specs, lists->mutable_pip());
  }
  if (limited_to != nullptr) {
    v1::LimitedNetwork* limited = cloud->mutable_networking()->mutable_limited();
    limited->set_allow_package_managers(true);
    AddAll(*limited_to, limited->mutable_allowed_hosts());
  }
  v1::Environment environment;
  const grpc::Status status = client(replica).environments().CreateEnvironment(
      client(replica).Context().get(), request, &environment);
  EXPECT_TRUE(status.ok()) << status.error_message();
  environments_.push_back(environment.id());
  return environment;
}

v1::EnvironmentImage TestFleet::Watch(const std::string& environment_id, int replica,
                                      const std::function<void(const v1::BuildLogLine&)>& on_line) {
  v1::WatchEnvironmentRequest request;
  request.set_environment_id(environment_id);
  const auto context = client(replica).Context(kBuildPatience);
  const auto stream = client(replica).environments().WatchEnvironment(context.get(), request);
  v1::WatchEnvironmentResponse event;
  v1::EnvironmentImage image;
  while (stream->Read(&event)) {
    if (event.has_log() && on_line != nullptr) on_line(event.log());
    if (!event.has_environment()) continue;
    image = event.environment().image();
    if (image.state() == v1::IMAGE_STATE_READY || image.state() == v1::IMAGE_STATE_FAILED) break;
  }
  context->TryCancel();
  (void)stream->Finish();
  return image;
}

v1::EnvironmentImage TestFleet::ImageOf(const std::string& environment_id, int replica) {
  v1::GetEnvironmentRequest request;
  request.set_environment_id(environment_id);
  v1::Environment environment;
  (void)client(replica).environments().GetEnvironment(client(replica).Context().get(), request,
                                                      &environment);
  return environment.image();
}

v1::Session TestFleet::Run(const std::string& environment_id, int replica) {
  v1::CreateSessionRequest request;
  request.set_environment_id(environment_id);
  request.mutable_wait()->set_seconds(300);
  const auto context = client(replica).Context(absl::Minutes(6));
  v1::Session session;
  const grpc::Status status =
      client(replica).sessions().CreateSession(context.get(), request, &session);
  EXPECT_TRUE(status.ok()) << status.error_message();
  if (status.ok()) sessions_.push_back(session.id());
  EXPECT_EQ(session.state(), v1::SESSION_STATE_RUNNING) << session.ShortDebugString();
  return session;
}

ExecResult TestFleet::ShellAs(const std::string& user, const v1::Session& session,
                              const std::string& script, int replica) {
  v1::ExecStart start;
  start.set_session_id(session.id());
  start.set_user(user);
  start.set_cwd("/");
  for (const std::string& argument : {std::string("sh"), std::string("-c"), script}) {
    start.add_command(argument);
  }
  const auto result = client(replica).Exec(start, "", absl::Minutes(2));
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(ExecResult());
}

void TestFleet::Clear(int replica) {
  for (const std::string& id : sessions_) {
    const absl::Status deleted = client(replica).DeleteSession(id);
    EXPECT_TRUE(deleted.ok()) << deleted;
  }
  for (const std::string& id : environments_) {
    const absl::Status deleted = client(replica).DeleteEnvironment(id);
    EXPECT_TRUE(deleted.ok()) << deleted;
  }
  sessions_.clear();
  environments_.clear();
}

int TestFleet::CountInLogs(const std::string& text) const {
  int count = 0;
  for (const auto& agent : agents_) {
    const std::string log = agent->Log();
    for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
  }
  return count;
}

}  // namespace paddock::testing
