#include "controlplane/rpc/node_channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

namespace paddock {
namespace {

// An agent that restarts is back within a second, so long pauses would only add to it. The first
// also bounds an attempt to connect.
constexpr int kMinReconnectMs = 1'000;
constexpr int kInitialReconnectMs = 100;
constexpr int kMaxReconnectMs = 2'000;
// How a machine that vanished is noticed while calls are open.
constexpr int kKeepaliveTimeMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 5'000;
constexpr absl::Duration kUnusedFor = absl::Minutes(10);

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMinReconnectMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Agents are never behind the proxy that http_proxy names.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

}  // namespace

NodeChannels::NodeChannels(std::shared_ptr<TlsIdentity> identity, Clock* clock)
    : identity_(std::move(identity)), clock_(clock) {}

std::shared_ptr<NodeChannels::Stub> NodeChannels::For(const NodeTarget& node) {
  const absl::Duration now = clock_->Monotonic();
  absl::MutexLock lock(&mutex_);
  auto found = entries_.find(node.id);
  if (found == entries_.end() || found->second.address != node.address) {
    RemoveUnused(now);
    found = entries_.insert_or_assign(node.id, Entry{node.address, Connect(node), now}).first;
  }
  found->second.used_at = now;
  return found->second.stub;
}

std::shared_ptr<NodeChannels::Stub> NodeChannels::Connect(const NodeTarget& node) const {
  return internal::v1::NodeAgent::NewStub(grpc::CreateCustomChannel(
      node.address, identity_->MutualChannel(NodeRole(node.id.value())), Arguments()));
}

void NodeChannels::RemoveUnused(absl::Duration now) {
  absl::erase_if(entries_,
                 [now](const auto& entry) { return now - entry.second.used_at > kUnusedFor; });
}

}  // namespace paddock
