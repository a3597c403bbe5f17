#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/health_service.h"

namespace paddock {

struct GrpcServerOptions {
  // host:port; port 0 takes a free one.
  std::string listen;
  std::shared_ptr<grpc::ServerCredentials> credentials;
  // Not owned; must outlive the server. Health and reflection come by themselves.
  std::vector<grpc::Service*> services;
  // For internal ports only: says everything about every connection of the process.
  bool channelz = false;
  // A larger request is RESOURCE_EXHAUSTED.
  int max_message_bytes = 4 * 1024 * 1024;
  // Streams of one connection; a client that asks for more waits.
  int max_concurrent_streams = 20'000;
};

// A gRPC server with what every server of ours has: TLS, standard health, reflection, message
// limit, keepalive, channelz if asked for. Thread-safe.
class GrpcServer {
 public:
  // Binds and serves, with health NOT_SERVING: call health().SetAll(true) when ready.
  // UNAVAILABLE naming the address when it can't be bound.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const GrpcServerOptions& options);
  // Drains without patience.
  ~GrpcServer();

  int port() const { return port_; }
  HealthService& health() { return *health_; }

  // Health NOT_SERVING, GOAWAY, no new calls; waits for running ones until `patience` is over, then
  // cancels them and waits for their handlers to end. Idempotent.
  void Drain(absl::Duration patience);

 private:
  GrpcServer() = default;

  std::unique_ptr<HealthService> health_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::once_flag drained_;
};

}  // namespace paddock
