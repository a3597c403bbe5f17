#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/grpc_server.h"
#include "common/rpc_metrics.h"
#include "common/thread_pool.h"
#include "common/timer_queue.h"
#include "controlplane/api/admin_service.h"
#include "controlplane/api/agent_service.h"
#include "controlplane/api/dispatcher.h"
#include "controlplane/api/drain_group.h"
#include "controlplane/api/environment_service.h"
#include "controlplane/api/node_router.h"
#include "controlplane/api/session_service.h"

namespace paddock {

// The public API on its port. Thread-safe.
class PublicServer {
 public:
  // All must outlive the server. `pool` runs the handlers, and must be joined after the server has
  // ended and before core's objects go.
  struct Deps {
    Authenticator* authenticator = nullptr;
    ThreadPool* pool = nullptr;
    TimerQueue* timers = nullptr;
    RpcMetrics* metrics = nullptr;
    EnvironmentOperations* environments = nullptr;
    EnvironmentFeeds* environment_feeds = nullptr;
    AgentOperations* agents = nullptr;
    SessionOperations* sessions = nullptr;
    NodeOperations* nodes = nullptr;
    ApiKeyOperations* api_keys = nullptr;
    NodeStubs node_stubs;
  };

  // Binds and serves; health is NOT_SERVING until SetReady(true).
  static absl::StatusOr<std::unique_ptr<PublicServer>> Start(
      const Deps& deps, const std::string& listen,
      std::shared_ptr<grpc::ServerCredentials> credentials);
  ~PublicServer();

  int port() const { return server_->port(); }
  void SetReady(bool ready) { server_->health().SetAll(ready); }

  // Ends the endless streams, lets other calls finish for `patience`, then cancels them.
  // Idempotent.
  void Drain(absl::Duration patience);

 private:
  // Watches at once, of all clients; each costs some 20 KB.
  static constexpr size_t kMaxStreams = 50'000;

  explicit PublicServer(const Deps& deps);

  Dispatcher dispatcher_;
  DrainGroup streams_{kMaxStreams};
  NodeRouter router_;
  EnvironmentServiceImpl environments_;
  AgentServiceImpl agents_;
  SessionServiceImpl sessions_;
  AdminServiceImpl admin_;
  std::unique_ptr<GrpcServer> server_;
};

}  // namespace paddock
