#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "nodeagent/system/spawn.h"
#include "tests/bench/egress/stream_load.h"
#include "tests/bench/egress/stream_server.h"
#include "tests/privileged/internet_servers.h"

namespace paddock::bench {

// A pretend host with a gateway process, a pair of namespaces in place of a sandbox, HAProxy beside
// the gateway, and servers in a pretend internet: three ways from the pair to the same server, all
// through the same veth. Everything is gone at its end. Not thread-safe.
class BenchNetwork {
 public:
  static absl::StatusOr<std::unique_ptr<BenchNetwork>> Create();
  ~BenchNetwork();

  enum class Path {
    kDirect,   // Routed and masqueraded, as for unrestricted sessions.
    kHaproxy,  // HAProxy listens in the router namespace and dials from the host's, as the gateway.
    kGateway,
  };
  // Makes the way to `port` of the server free for the pair; where to connect to.
  absl::StatusOr<Target> Use(Path path, int port);
  // Runs on a thread inside of the pair's network namespace.
  void Inside(const std::function<void()>& action) const;
  nodeagent::GatewayClient& client() { return *gateway_->client(); }
  const StreamServer& server() const { return *server_; }
  // Resident memory of the gateway process, in bytes.
  int64_t GatewayMemory() const;
  nodeagent::GatewaySession SessionWith(const nodeagent::NetworkPolicy& policy) const;

 private:
  BenchNetwork() = default;
  absl::Status SetUp();
  absl::Status StartHaproxy();

  std::string directory_;
  nodeagent::GatewayOptions options_;
  std::unique_ptr<nodeagent::PretendInternet> internet_;
  std::unique_ptr<nodeagent::InternetServers> names_;
  std::unique_ptr<StreamServer> server_;
  std::unique_ptr<nodeagent::GatewayProcess> gateway_;
  std::unique_ptr<nodeagent::NamespacePool> pool_;
  nodeagent::NamespacePair pair_;
  nodeagent::SpawnedProcess haproxy_;
};

}  // namespace paddock::bench
