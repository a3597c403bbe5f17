#include "controlplane/core/network_policy.h"

#include <algorithm>
#include <utility>

#include "controlplane/core/host_rules.h"
#include "controlplane/core/http_url.h"

namespace paddock {
namespace {

std::vector<HostPort> ServersOf(const Agent& agent) {
  std::vector<HostPort> servers;
  for (const McpServer& server : agent.mcp_servers) {
    const absl::StatusOr<HttpUrl> url = ParseHttpUrl(server.url);
    // What isn't a name is an address, in one of its notations.
    if (!url.ok() || !CanonicalHost(url->host).ok()) continue;
    HostPort target{url->host, url->port};
    if (std::find(servers.begin(), servers.end(), target) == servers.end()) {
      servers.push_back(std::move(target));
    }
  }
  return servers;
}

}  // namespace

NetworkPolicy NetworkPolicyOf(const EnvironmentConfig& config,
                              const std::optional<AgentSnapshot>& agent) {
  NetworkPolicy policy;
  const auto* cloud = std::get_if<CloudConfig>(&config);
  const LimitedNetwork* limited =
      cloud == nullptr ? nullptr : std::get_if<LimitedNetwork>(&cloud->networking);
  if (limited == nullptr) return policy;
  policy.limited = true;
  policy.hosts = limited->allowed_hosts;
  policy.allow_package_managers = limited->allow_package_managers;
  if (limited->allow_mcp_servers && agent.has_value()) policy.host_ports = ServersOf(*agent);
  return policy;
}

}  // namespace paddock
