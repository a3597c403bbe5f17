#include "controlplane/rpc/node_registry_service.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/tls.h"
#include "controlplane/rpc/node_messages.h"

namespace paddock {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);

using Done = std::function<void(const absl::Status&)>;

// Counts the call, and gives what ends it.
Done Begin(const char* method, RpcMetrics* metrics, grpc::ServerUnaryReactor* reactor) {
  metrics->Started(method);
  const absl::Duration begin = Clock::Real()->Monotonic();
  return [=](const absl::Status& status) {
    metrics->Finished(method, status.code(), Clock::Real()->Monotonic() - begin);
    reactor->Finish(ToGrpcStatus(status));
  };
}

absl::Status CheckPeer(const grpc::CallbackServerContext& context, const std::string& node_id) {
  const absl::Status allowed = CheckPeerRole(*context.auth_context(), NodeRole(node_id));
  if (!allowed.ok()) {
    LogWarning("refused a node agent",
               {{"node_id", node_id}, {"peer", context.peer()}, {"error", allowed.message()}});
  }
  return allowed;
}

void RunOrRefuse(ThreadPool* pool, const Done& done, std::function<absl::Status()> work) {
  const bool queued = pool->TrySchedule([done, work = std::move(work)] { done(work()); });
  if (!queued) done(errors::Overloaded("the node registry", kRetryAfter));
}

}  // namespace

grpc::ServerUnaryReactor* NodeRegistryService::Register(
    grpc::CallbackServerContext* context, const internal::v1::RegisterRequest* request,
    internal::v1::HeartbeatResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Done done = Begin("Register", metrics_, reactor);
  RunOrRefuse(pool_, done, [=]() -> absl::Status {
    PADDOCK_RETURN_IF_ERROR(CheckPeer(*context, request->node_id()));
    PADDOCK_ASSIGN_OR_RETURN(const NodeRegistration registration, FromProto(*request));
    PADDOCK_ASSIGN_OR_RETURN(const HeartbeatAnswer answer, registry_->Register(registration));
    *response = ToProto(answer);
    return absl::OkStatus();
  });
  return reactor;
}

grpc::ServerUnaryReactor* NodeRegistryService::Heartbeat(
    grpc::CallbackServerContext* context, const internal::v1::HeartbeatRequest* request,
    internal::v1::HeartbeatResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Done done = Begin("Heartbeat", metrics_, reactor);
  absl::Status allowed = CheckPeer(*context, request->node_id());
  absl::StatusOr<HeartbeatReport> report = FromProto(*request);
  if (allowed.ok()) allowed = report.status();
  if (!allowed.ok()) {
    done(allowed);
    return reactor;
  }
  registry_->Heartbeat(*std::move(report),
                       [done, response](absl::StatusOr<HeartbeatAnswer> answer) {
                         if (answer.ok()) *response = ToProto(*answer);
                         done(answer.status());
                       });
  return reactor;
}

grpc::ServerUnaryReactor* NodeRegistryService::ReportSessions(
    grpc::CallbackServerContext* context, const internal::v1::ReportSessionsRequest* request,
    internal::v1::ReportSessionsResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Done done = Begin("ReportSessions", metrics_, reactor);
  RunOrRefuse(pool_, done, [=]() -> absl::Status {
    PADDOCK_RETURN_IF_ERROR(CheckPeer(*context, request->node_id()));
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<SessionStatus> sessions,
                             FromProto(request->sessions()));
    return registry_->ReportSessions(NodeId(request->node_id()), request->epoch(), sessions);
  });
  return reactor;
}

}  // namespace paddock
