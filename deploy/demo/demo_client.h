#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "paddock/v1/admin.grpc.pb.h"
#include "paddock/v1/agent.grpc.pb.h"
#include "paddock/v1/environment.grpc.pb.h"
#include "paddock/v1/session.grpc.pb.h"

namespace paddock::demo {

// What a command printed, and how it ended.
struct CommandResult {
  std::string output;
  int code = -1;
};

// A drain that was waited for.
struct NodeDrain {
  int moved = 0;
  int remaining = 0;          // Sessions that stay, for they may not be moved, or nobody has room.
  bool was_cordoned = false;  // Before it.
};

// The few calls of the public API that show the main job. Blocking, each with a deadline.
// Errors are those of the API, with its message.
class DemoClient {
 public:
  // `address`: host:port. `ca_file`: PEM. INVALID_ARGUMENT when the file can't be read.
  static absl::StatusOr<std::unique_ptr<DemoClient>> Connect(const std::string& address,
                                                             const std::string& ca_file,
                                                             std::string api_key);

  // OK when the server says that it serves.
  absl::Status CheckHealth();
  absl::StatusOr<std::vector<v1::Node>> ListNodes();

  // Has the node's RESCHEDULE sessions moved, and waits until none is left or nothing has happened
  // for `patience`. Nothing is ended. The node stays draining until UncordonNode.
  absl::StatusOr<NodeDrain> DrainNode(const std::string& node_id, absl::Duration patience);
  absl::Status UncordonNode(const std::string& node_id);

  absl::StatusOr<v1::Agent> CreateAgent(const std::string& name);
  absl::StatusOr<v1::Environment> CreateEnvironment(const std::string& name);
  absl::StatusOr<v1::Session> CreateSession(const v1::Agent& agent,
                                            const v1::Environment& environment);
  absl::StatusOr<CommandResult> Run(const std::string& session_id,
                                    const std::vector<std::string>& command);
  absl::Status DeleteSession(const std::string& session_id);
  absl::Status DeleteEnvironment(const std::string& environment_id);
  absl::Status ArchiveAgent(const std::string& agent_id);
  // Every key of that name, among the newest thousand. NOT_FOUND when there is none.
  absl::Status RevokeApiKeys(const std::string& name);

 private:
  DemoClient(const std::shared_ptr<grpc::Channel>& channel, std::string api_key);
  std::unique_ptr<grpc::ClientContext> Context(absl::Duration deadline) const;

  const std::string api_key_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  const std::unique_ptr<v1::AdminService::Stub> admin_;
  const std::unique_ptr<v1::AgentService::Stub> agents_;
  const std::unique_ptr<v1::EnvironmentService::Stub> environments_;
  const std::unique_ptr<v1::SessionService::Stub> sessions_;
};

}  // namespace paddock::demo
