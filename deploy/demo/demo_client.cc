#include "deploy/demo/demo_client.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"

namespace paddock::demo {
namespace {

constexpr char kBeta[] = "managed-agents-2026-04-01";
constexpr absl::Duration kShort = absl::Seconds(10);
constexpr absl::Duration kLong = absl::Seconds(60);
constexpr size_t kMaxOutput = 1 << 20;

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read the CA file ", path));
  }
  return text.str();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DemoClient>> DemoClient::Connect(const std::string& address,
                                                                const std::string& ca_file,
                                                                std::string api_key) {
  grpc::SslCredentialsOptions options;
  PADDOCK_ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem(ca_file));
  auto channel = grpc::CreateChannel(address, grpc::SslCredentials(options));
  return std::unique_ptr<DemoClient>(new DemoClient(channel, std::move(api_key)));
}

DemoClient::DemoClient(const std::shared_ptr<grpc::Channel>& channel, std::string api_key)
    : api_key_(std::move(api_key)),
      health_(grpc::health::v1::Health::NewStub(channel)),
      admin_(v1::AdminService::NewStub(channel)),
      agents_(v1::AgentService::NewStub(channel)),
      environments_(v1::EnvironmentService::NewStub(channel)),
      sessions_(v1::SessionService::NewStub(channel)) {}

std::unique_ptr<grpc::ClientContext> DemoClient::Context(absl::Duration deadline) const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  context->AddMetadata("anthropic-beta", kBeta);
  if (!api_key_.empty()) context->AddMetadata("x-api-key", api_key_);
  return context;
}

absl::Status DemoClient::CheckHealth() {
  grpc::health::v1::HealthCheckResponse response;
  PADDOCK_RETURN_IF_ERROR(
      FromGrpcStatus(health_->Check(Context(absl::Seconds(2)).get(), {}, &response)));
  if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    return absl::UnavailableError("the control plane does not serve yet");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Node>> DemoClient::ListNodes() {
  v1::ListNodesRequest request;
  request.set_page_size(1000);
  v1::ListNodesResponse response;
  PADDOCK_RETURN_IF_ERROR(
      FromGrpcStatus(admin_->ListNodes(Context(kShort).get(), request, &response)));
  return std::vector<v1::Node>(response.nodes().begin(), response.nodes().end());
}

absl::StatusOr<NodeDrain> DemoClient::DrainNode(const std::string& node_id,
                                                absl::Duration patience) {
  v1::GetNodeRequest get;
  get.set_node_id(node_id);
  v1::Node node;
  PADDOCK_RETURN_IF_ERROR(FromGrpcStatus(admin_->GetNode(Context(kShort).get(), get, &node)));
  NodeDrain drain;
  drain.was_cordoned = node.cordoned();
  v1::DrainNodeRequest request;
  request.set_node_id(node_id);
  auto context = Context(kLong);
  auto stream = admin_->DrainNode(context.get(), request);
  v1::DrainNodeResponse response;
  bool enough = false;
  absl::Time changed = absl::Now();
  for (bool first = true; !enough && stream->Read(&response); first = false) {
    const absl::Time now = absl::Now();
    if (first || response.remaining() != drain.remaining) changed = now;
    drain.moved = response.moved();
    drain.remaining = response.remaining();
    enough = drain.remaining == 0 || now - changed >= patience;
  }
  context->TryCancel();
  const absl::Status status = FromGrpcStatus(stream->Finish());
  if (!enough && !status.ok()) return status;
  return drain;
}

absl::Status DemoClient::UncordonNode(const std::string& node_id) {
  v1::UncordonNodeRequest request;
  request.set_node_id(node_id);
  v1::Node node;
  return FromGrpcStatus(admin_->UncordonNode(Context(kShort).get(), request, &node));
}

absl::StatusOr<v1::Agent> DemoClient::CreateAgent(const std::string& name) {
  v1::CreateAgentRequest request;
  request.set_name(name);
  request.mutable_model()->set_string_value("any-model");
  request.set_system("You work in a sandbox of Paddock.");
  v1::Agent agent;
  PADDOCK_RETURN_IF_ERROR(
      FromGrpcStatus(agents_->CreateAgent(Context(kShort).get(), request, &agent)));
  return agent;
}

absl::StatusOr<v1::Environment> DemoClient::CreateEnvironment(const std::string& name) {
  v1::CreateEnvironmentRequest request;
  request.set_name(name);
  request.mutable_config()->mutable_cloud()->mutable_networking()->mutable_unrestricted();
  v1::Environment environment;
  PADDOCK_RETURN_IF_ERROR(FromGrpcStatus(
      environments_->CreateEnvironment(Context(kShort).get(), request, &environment)));
  return environment;
}

absl::StatusOr<v1::Session> DemoClient::CreateSession(const v1::Agent& agent,
                                                      const v1::Environment& environment) {
  v1::CreateSessionRequest request;
  request.mutable_agent()->set_id(agent.id());
  request.set_environment_id(environment.id());
  request.mutable_wait()->set_seconds(30);
  v1::Session session;
  PADDOCK_RETURN_IF_ERROR(
      FromGrpcStatus(sessions_->CreateSession(Context(kLong).get(), request, &session)));
  return session;
}

absl::StatusOr<CommandResult> DemoClient::Run(const std::string& session_id,
                                              const std::vector<std::string>& command) {
  auto context = Context(kLong);
  auto stream = sessions_->Exec(context.get());
  v1::ExecRequest request;
  request.mutable_start()->set_session_id(session_id);
  for (const std::string& argument : command) request.mutable_start()->add_command(argument);
  stream->Write(request);
  stream->WritesDone();
  CommandResult result;
  v1::ExecResponse response;
  while (stream->Read(&response)) {
    if (response.has_stdout()) result.output += response.stdout();
    if (response.has_stderr()) result.output += response.stderr();
    if (response.has_exited()) result.code = response.exited().code();
    if (result.output.size() > kMaxOutput) context->TryCancel();
  }
  PADDOCK_RETURN_IF_ERROR(FromGrpcStatus(stream->Finish()));
  return result;
}

absl::Status DemoClient::DeleteSession(const std::string& session_id) {
  v1::DeleteSessionRequest request;
  request.set_session_id(session_id);
  google::protobuf::Empty empty;
  return FromGrpcStatus(sessions_->DeleteSession(Context(kLong).get(), request, &empty));
}

absl::Status DemoClient::DeleteEnvironment(const std::string& environment_id) {
  v1::DeleteEnvironmentRequest request;
  request.set_environment_id(environment_id);
  google::protobuf::Empty empty;
  return FromGrpcStatus(environments_->DeleteEnvironment(Context(kShort).get(), request, &empty));
}

absl::Status DemoClient::ArchiveAgent(const std::string& agent_id) {
  v1::ArchiveAgentRequest request;
  request.set_agent_id(agent_id);
  v1::Agent agent;
  return FromGrpcStatus(agents_->ArchiveAgent(Context(kShort).get(), request, &agent));
}

absl::Status DemoClient::RevokeApiKeys(const std::string& name) {
  v1::ListApiKeysRequest request;
  request.set_page_size(1000);
  v1::ListApiKeysResponse response;
  PADDOCK_RETURN_IF_ERROR(
      FromGrpcStatus(admin_->ListApiKeys(Context(kShort).get(), request, &response)));
  absl::Status status = absl::NotFoundError(absl::StrCat("no API key is named \"", name, "\""));
  for (const v1::ApiKey& key : response.api_keys()) {
    if (key.name() != name || key.has_revoked_at()) continue;
    v1::RevokeApiKeyRequest revoke;
    revoke.set_api_key_id(key.id());
    v1::ApiKey revoked;
    status = FromGrpcStatus(admin_->RevokeApiKey(Context(kShort).get(), revoke, &revoked));
    if (!status.ok()) return status;
  }
  return status;
}

}  // namespace paddock::demo
