#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "paddock/v1/admin.grpc.pb.h"
#include "paddock/v1/agent.grpc.pb.h"
#include "paddock/v1/environment.grpc.pb.h"
#include "paddock/v1/session.grpc.pb.h"

namespace paddock::testing {

// Where a running Paddock is, as the quickstart writes it to paddock.env.
struct Endpoint {
  std::string address;   // PADDOCK_ADDR
  std::string ca_file;   // PADDOCK_CA
  std::string api_key;   // PADDOCK_API_KEY
  std::string http_url;  // PADDOCK_HTTP_URL
  std::string metrics;   // PADDOCK_METRICS
  std::string home;      // Directory of the file.

  // Reads `$PADDOCK_HOME/paddock.env`; an empty `home` means /var/lib/paddock or the variable.
  static absl::StatusOr<Endpoint> FromHome(std::string home = "");
};

// What a command left behind.
struct ExecResult {
  std::string out;
  std::string err;
  int code = -1;
  int signal = 0;
  absl::Duration started_after;       // Until `started` came.
  absl::Duration first_output_after;  // Until the first byte came; zero if none did.
};

// A blocking client of the public API with metadata and deadlines filled in. Thread-safe.
class PaddockClient {
 public:
  explicit PaddockClient(const Endpoint& endpoint);
  PaddockClient(const Endpoint& endpoint, std::shared_ptr<grpc::Channel> channel);

  // A context with key, beta header and deadline.
  std::unique_ptr<grpc::ClientContext> Context(absl::Duration deadline = absl::Seconds(60)) const;

  v1::EnvironmentService::Stub& environments() { return *environments_; }
  v1::AgentService::Stub& agents() { return *agents_; }
  v1::SessionService::Stub& sessions() { return *sessions_; }
  v1::AdminService::Stub& admin() { return *admin_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  absl::StatusOr<v1::Environment> CreateEnvironment(const std::string& name);
  absl::StatusOr<v1::Session> CreateSession(const v1::CreateSessionRequest& request);
  absl::StatusOr<v1::Session> CreateSession(const std::string& environment_id);
  absl::StatusOr<v1::Session> GetSession(const std::string& session_id);
  absl::Status DeleteSession(const std::string& session_id);
  absl::Status DeleteEnvironment(const std::string& environment_id);

  // Runs `start` (session_id filled in by the caller), feeds `input`, and reads to the end.
  absl::StatusOr<ExecResult> Exec(const v1::ExecStart& start, const std::string& input = "",
                                  absl::Duration deadline = absl::Seconds(60));
  absl::StatusOr<ExecResult> Exec(const std::string& session_id, std::vector<std::string> command,
                                  const std::string& input = "");
  // `sh -c script`.
  absl::StatusOr<ExecResult> Shell(const std::string& session_id, const std::string& script);

 private:
  Endpoint endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::EnvironmentService::Stub> environments_;
  std::unique_ptr<v1::AgentService::Stub> agents_;
  std::unique_ptr<v1::SessionService::Stub> sessions_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

// The code and message of a gRPC status.
absl::Status FromGrpc(const grpc::Status& status);

// The ErrorInfo reason of a gRPC error; empty when it carries none.
std::string ErrorReason(const grpc::Status& status);

// A secure channel to the endpoint. A number of its own (`lane`) gives a connection of its own.
std::shared_ptr<grpc::Channel> MakeChannel(const Endpoint& endpoint, int lane = 0);

}  // namespace paddock::testing
