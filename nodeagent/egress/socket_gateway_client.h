#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/egress/gateway_client.h"

namespace paddock::nodeagent {

// GatewayClient over the gateway's socket; a connection for each call, so that a restarted gateway
// process is met without more ado. Thread-safe.
class SocketGatewayClient : public GatewayClient {
 public:
  // What a running gateway process says about itself.
  struct Identity {
    std::string instance;
    std::string subnet;
    int64_t pid = 0;
    std::string operator_problem;  // Why the operator's file isn't in force; empty if it is.
  };

  explicit SocketGatewayClient(std::string socket_path, absl::Duration timeout = absl::Seconds(5))
      : socket_path_(std::move(socket_path)), timeout_(timeout) {}

  absl::Status PutSession(const GatewaySession& session) override;
  absl::Status RemoveSession(const std::string& session_id) override;
  absl::StatusOr<std::vector<GatewaySession>> ListSessions() override;
  absl::Status RenewFence(absl::Duration sent_at, absl::Duration fence_after) override;
  absl::StatusOr<std::vector<std::string>> ListFenced() override;
  absl::StatusOr<GatewayStats> Stats() override;
  absl::StatusOr<EgressPage> ListEgress(const std::string& session_id, int64_t after_sequence,
                                        int limit) override;

  absl::StatusOr<Identity> Ping();
  // Replaces GatewayOptions::blocked of the running process.
  absl::Status Configure(const std::vector<std::string>& blocked);

 private:
  // The answer, if its code is OK; UNAVAILABLE when there is none.
  absl::StatusOr<nlohmann::json> Call(const nlohmann::json& request);

  const std::string socket_path_;
  const absl::Duration timeout_;
};

}  // namespace paddock::nodeagent
