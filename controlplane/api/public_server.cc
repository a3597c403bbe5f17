#include "controlplane/api/public_server.h"

#include <utility>

#include "common/status_macros.h"

namespace paddock {

PublicServer::PublicServer(const Deps& deps)
    : dispatcher_(deps.authenticator, deps.pool, deps.metrics),
      router_(&dispatcher_, deps.sessions, deps.node_stubs),
      environments_(&dispatcher_, &streams_, deps.timers, deps.environments,
                    deps.environment_feeds),
      agents_(&dispatcher_, deps.agents),
      sessions_(&dispatcher_, &streams_, deps.sessions, &router_),
      admin_(&dispatcher_, &streams_, deps.timers, deps.nodes, deps.api_keys) {}

PublicServer::~PublicServer() {
  if (server_ != nullptr) Drain(absl::ZeroDuration());
}

absl::StatusOr<std::unique_ptr<PublicServer>> PublicServer::Start(
    const Deps& deps, const std::string& listen,
    std::shared_ptr<grpc::ServerCredentials> credentials) {
  std::unique_ptr<PublicServer> server(new PublicServer(deps));
  GrpcServerOptions options;
  options.listen = listen;
  options.credentials = std::move(credentials);
  // What the library refuses itself carries no details.
  options.max_message_bytes = 2 * kMaxRequestBytes;
  options.services = {&server->environments_, &server->agents_, &server->sessions_,
                      &server->admin_};
  PADDOCK_ASSIGN_OR_RETURN(server->server_, GrpcServer::Start(options));
  for (const char* name :
       {v1::EnvironmentService::service_full_name(), v1::AgentService::service_full_name(),
        v1::SessionService::service_full_name(), v1::AdminService::service_full_name()}) {
    server->server_->health().Set(name, false);
  }
  return server;
}

void PublicServer::Drain(absl::Duration patience) {
  server_->health().Shutdown();
  streams_.Drain();
  server_->Drain(patience);
}

}  // namespace paddock
