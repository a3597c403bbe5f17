#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/rpc_metrics.h"
#include "common/thread_pool.h"
#include "controlplane/core/agent_operations.h"
#include "controlplane/core/authenticator.h"
#include "controlplane/core/environment_operations.h"
#include "controlplane/core/sessions.h"
#include "controlplane/rest/http_server.h"
#include "controlplane/rest/rest_service.h"

namespace paddock {

// The REST API on its port: the same operations as the gRPC API, for the official clients.
// Thread-safe.
class RestServer {
 public:
  // All must outlive the server. `pool` runs the handlers, and must be joined after the server has
  // ended and before core's objects go.
  struct Deps {
    Authenticator* authenticator = nullptr;
    ThreadPool* pool = nullptr;
    RpcMetrics* metrics = nullptr;
    EnvironmentOperations* environments = nullptr;
    AgentOperations* agents = nullptr;
    SessionOperations* sessions = nullptr;
  };

  // Binds and serves; /readyz says no until SetReady(true).
  static absl::StatusOr<std::unique_ptr<RestServer>> Start(const Deps& deps,
                                                           const HttpServer::Options& options);
  ~RestServer();

  int port() const { return server_->port(); }
  size_t connections() const { return server_->connections(); }
  void SetReady(bool ready) { service_->SetReady(ready); }

  // Ends streams and idle connections, lets calls finish for `patience`, then ends all. Idempotent.
  void Drain(absl::Duration patience);

 private:
  explicit RestServer(const Deps& deps);

  // Shared with what waits on the pool when the server ends.
  const std::shared_ptr<RestService> service_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace paddock
