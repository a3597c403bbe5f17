#include "controlplane/rest/rest_server.h"

#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "controlplane/rest/agent_routes.h"
#include "controlplane/rest/environment_routes.h"
#include "controlplane/rest/session_routes.h"

namespace paddock {
namespace {

std::vector<Route> AllRoutes(const RestServer::Deps& deps) {
  std::vector<Route> routes = EnvironmentRoutes(deps.environments);
  for (auto& more : {AgentRoutes(deps.agents), SessionRoutes(deps.sessions, deps.pool)}) {
    routes.insert(routes.end(), more.begin(), more.end());
  }
  return routes;
}

}  // namespace

RestServer::RestServer(const Deps& deps)
    : service_(std::make_shared<RestService>(deps.authenticator, deps.pool, deps.metrics,
                                             AllRoutes(deps))) {}

RestServer::~RestServer() {
  if (server_ != nullptr) Drain(absl::ZeroDuration());
}

absl::StatusOr<std::unique_ptr<RestServer>> RestServer::Start(const Deps& deps,
                                                              const HttpServer::Options& options) {
  std::unique_ptr<RestServer> server(new RestServer(deps));
  const std::shared_ptr<RestService> service = server->service_;
  PADDOCK_ASSIGN_OR_RETURN(
      server->server_,
      HttpServer::Start(
          options,
          [service](HttpRequest request, std::shared_ptr<Responder> responder) {
            service->Handle(std::move(request), std::move(responder));
          },
          [service](const absl::Status& status) { return service->Refuse(status); }));
  return server;
}

void RestServer::Drain(absl::Duration patience) { server_->Drain(patience); }

}  // namespace paddock
