#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc_metrics.h"
#include "common/thread_pool.h"
#include "controlplane/core/authenticator.h"
#include "controlplane/rest/http_message.h"
#include "controlplane/rest/route.h"

namespace paddock {

// What happens to every request: it finds its route, goes to the pool, where its caller is
// authenticated and its handler runs, and is answered with a request id, counted and logged.
// Thread-safe; arguments must outlive it and every request under way.
class RestService {
 public:
  RestService(Authenticator* authenticator, ThreadPool* pool, RpcMetrics* metrics,
              std::vector<Route> routes);

  // Answers `responder` once, at once or later. Doesn't block.
  void Handle(HttpRequest request, std::shared_ptr<Responder> responder);

  // The answer to what isn't even a request.
  HttpAnswer Refuse(const absl::Status& status);

  // What /readyz says.
  void SetReady(bool ready) { ready_ = ready; }

 private:
  class Exchange;
  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> ids;
  };

  // As the Allow header has it; empty for a path that isn't known.
  std::string MethodsAt(const Target& target) const;
  absl::StatusOr<Match> FindRoute(const std::string& method, const Target& target) const;
  absl::StatusOr<Principal> Authenticate(const HttpRequest& request);
  void Run(const Route& route, const RestCall& call, const std::shared_ptr<Exchange>& exchange);
  HttpAnswer Probe(bool good);

  Authenticator* const authenticator_;
  ThreadPool* const pool_;
  RpcMetrics* const metrics_;
  const std::vector<Route> routes_;
  std::atomic<bool> ready_{false};
};

}  // namespace paddock
