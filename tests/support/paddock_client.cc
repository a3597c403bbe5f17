#include "tests/support/paddock_client.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace paddock::testing {
namespace {

constexpr char kBeta[] = "managed-agents-2026-04-01";

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("can't read ", path));
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Unquote(absl::string_view value) {
  for (const char* quote : {"'", "\""}) {
    if (value.size() >= 2 && absl::StartsWith(value, quote) && absl::EndsWith(value, quote)) {
      return std::string(value.substr(1, value.size() - 2));
    }
  }
  return std::string(value);
}

}  // namespace

absl::StatusOr<Endpoint> Endpoint::FromHome(std::string home) {
  if (home.empty()) {
    const char* variable = std::getenv("PADDOCK_HOME");
    home = variable != nullptr ? variable : "/var/lib/paddock";
  }
  PADDOCK_ASSIGN_OR_RETURN(std::string text, ReadFile(absl::StrCat(home, "/paddock.env")));
  Endpoint endpoint;
  endpoint.home = home;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::ConsumePrefix(&line, "export ");
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    const std::string value = Unquote(pair.second);
    if (pair.first == "PADDOCK_ADDR") endpoint.address = value;
    if (pair.first == "PADDOCK_CA") endpoint.ca_file = value;
    if (pair.first == "PADDOCK_API_KEY") endpoint.api_key = value;
    if (pair.first == "PADDOCK_HTTP_URL") endpoint.http_url = value;
    if (pair.first == "PADDOCK_METRICS") endpoint.metrics = value;
  }
  if (endpoint.address.empty() || endpoint.api_key.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(home, "/paddock.env names no address or key"));
  }
  return endpoint;
}

std::shared_ptr<grpc::Channel> MakeChannel(const Endpoint& endpoint, int lane) {
  grpc::SslCredentialsOptions options;
  if (auto ca = ReadFile(endpoint.ca_file); ca.ok()) options.pem_root_certs = *ca;
  grpc::ChannelArguments arguments;
  arguments.SetInt("paddock.lane", lane);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(endpoint.address, grpc::SslCredentials(options), arguments);
}

PaddockClient::PaddockClient(const Endpoint& endpoint)
    : PaddockClient(endpoint, MakeChannel(endpoint)) {}

PaddockClient::PaddockClient(const Endpoint& endpoint, std::shared_ptr<grpc::Channel> channel)
    : endpoint_(endpoint),
      channel_(std::move(channel)),
      environments_(v1::EnvironmentService::NewStub(channel_)),
      agents_(v1::AgentService::NewStub(channel_)),
      sessions_(v1::SessionService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)) {}

std::unique_ptr<grpc::ClientContext> PaddockClient::Context(absl::Duration deadline) const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->AddMetadata("x-api-key", endpoint_.api_key);
  context->AddMetadata("anthropic-beta", kBeta);
  context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  return context;
}

absl::StatusOr<v1::Environment> PaddockClient::CreateEnvironment(const std::string& name) {
  v1::CreateEnvironmentRequest request;
  request.set_name(name);
  v1::Environment environment;
  PADDOCK_RETURN_IF_ERROR(
      FromGrpc(environments_->CreateEnvironment(Context().get(), request, &environment)));
  return environment;
}

absl::StatusOr<v1::Session> PaddockClient::CreateSession(const v1::CreateSessionRequest& request) {
  v1::Session session;
  PADDOCK_RETURN_IF_ERROR(FromGrpc(sessions_->CreateSession(Context().get(), request, &session)));
  return session;
}

absl::StatusOr<v1::Session> PaddockClient::CreateSession(const std::string& environment_id) {
  v1::CreateSessionRequest request;
  request.set_environment_id(environment_id);
  return CreateSession(request);
}

absl::StatusOr<v1::Session> PaddockClient::GetSession(const std::string& session_id) {
  v1::GetSessionRequest request;
  request.set_session_id(session_id);
  v1::Session session;
  PADDOCK_RETURN_IF_ERROR(FromGrpc(sessions_->GetSession(Context().get(), request, &session)));
  return session;
}

absl::Status PaddockClient::DeleteSession(const std::string& session_id) {
  v1::DeleteSessionRequest request;
  request.set_session_id(session_id);
  google::protobuf::Empty empty;
  return FromGrpc(sessions_->DeleteSession(Context().get(), request, &empty));
}

absl::Status PaddockClient::DeleteEnvironment(const std::string& environment_id) {
  v1::DeleteEnvironmentRequest request;
  request.set_environment_id(environment_id);
  google::protobuf::Empty empty;
  return FromGrpc(environments_->DeleteEnvironment(Context().get(), request, &empty));
}

absl::StatusOr<ExecResult> PaddockClient::Exec(const v1::ExecStart& start, const std::string& input,
                                               absl::Duration deadline) {
  const absl::Time begin = absl::Now();
  auto context = Context(deadline);
  auto stream = sessions_->Exec(context.get());
  v1::ExecRequest request;
  *request.mutable_start() = start;
  bool writable = stream->Write(request);
  for (size_t at = 0; writable && at < input.size(); at += 64 * 1024) {
    request.set_stdin(input.substr(at, 64 * 1024));
    writable = stream->Write(request);
  }
  stream->WritesDone();
  ExecResult result;
  v1::ExecResponse response;
  while (stream->Read(&response)) {
    if (response.has_started()) result.started_after = absl::Now() - begin;
    const bool output = response.response_case() == v1::ExecResponse::kStdout ||
                        response.response_case() == v1::ExecResponse::kStderr;
    if (output && result.first_output_after == absl::ZeroDuration()) {
      result.first_output_after = absl::Now() - begin;
    }
    result.out += response.stdout();
    result.err += response.stderr();
    if (response.has_exited()) {
      result.code = response.exited().code();
      result.signal = response.exited().signal();
    }
  }
  PADDOCK_RETURN_IF_ERROR(FromGrpc(stream->Finish()));
  return result;
}

absl::StatusOr<ExecResult> PaddockClient::Exec(const std::string& session_id,
                                               std::vector<std::string> command,
                                               const std::string& input) {
  v1::ExecStart start;
  start.set_session_id(session_id);
  for (std::string& word : command) start.add_command(std::move(word));
  return Exec(start, input);
}

absl::StatusOr<ExecResult> PaddockClient::Shell(const std::string& session_id,
                                                const std::string& script) {
  return Exec(session_id, {"sh", "-c", script});
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

std::string ErrorReason(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return "";
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info)) return info.reason();
  }
  return "";
}

}  // namespace paddock::testing
