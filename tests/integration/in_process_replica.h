#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/thread_pool.h"
#include "common/timer_queue.h"
#include "controlplane/api/core_executors.h"
#include "controlplane/api/public_server.h"
#include "controlplane/core/control_plane.h"
#include "controlplane/rest/rest_server.h"
#include "controlplane/rpc/node_channels.h"
#include "controlplane/rpc/node_registry_service.h"
#include "controlplane/rpc/rpc_node_client.h"
#include "controlplane/store/database.h"
#include "controlplane/store/database_monitor.h"
#include "tests/support/paddock_client.h"
#include "tests/support/test_certificates.h"

namespace paddock::testing {

// A whole control plane in this process: real servers with TLS, a database of its own (or another
// replica's), and keys.
// Aborts when it can't be started. Thread-safe once started.
class InProcessReplica {
 public:
  struct Options {
    Settings settings;
    int handler_threads = 8;
    int handler_queue = 1000;
    HttpLimits http;
    // Of another replica, to share its database and CA; that one may end before this.
    InProcessReplica* beside = nullptr;
  };

  explicit InProcessReplica(const Options& options);
  ~InProcessReplica();

  // Of a new key of that workspace.
  PaddockClient Client(const std::string& workspace = "default", bool admin = true);
  std::string NewKey(const std::string& workspace, bool admin);
  Endpoint EndpointFor(const std::string& api_key);

  TestCertificates& certificates() { return *certificates_; }
  int internal_port() const { return internal_server_->port(); }
  PublicServer& public_server() { return *public_server_; }
  RestServer& rest_server() { return *rest_server_; }
  ControlPlane& control_plane() { return *control_plane_; }
  prometheus::Registry& metrics() { return *registry_; }
  ThreadPool& handlers() { return handler_pool_; }

 private:
  std::shared_ptr<TestCertificates> certificates_;
  std::string database_url_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  RpcMetrics metrics_{registry_.get()};
  TimerQueue timers_;
  QueueTimers core_timers_{&timers_};
  ThreadPool core_pool_{"core", 4, 0};
  PoolExecutor executor_{&core_pool_};
  ThreadPool handler_pool_;
  ThreadPool registry_pool_{"registry", 2, 100};
  std::shared_ptr<TlsIdentity> identity_;
  std::unique_ptr<NodeChannels> channels_;
  std::unique_ptr<RpcNodeClient> node_client_;
  std::unique_ptr<ControlPlane> control_plane_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<PublicServer> public_server_;
  std::unique_ptr<RestServer> rest_server_;
  std::unique_ptr<NodeRegistryService> registry_service_;
  std::unique_ptr<GrpcServer> internal_server_;
  absl::Notification answers_;  // The database, for the first time.
  std::unique_ptr<DatabaseMonitor> database_monitor_;
};

}  // namespace paddock::testing
