#include "controlplane/api/session_convert.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/proto_time.h"
#include "common/status_macros.h"
#include "controlplane/api/agent_convert.h"
#include "controlplane/api/environment_convert.h"
#include "controlplane/api/request_convert.h"

namespace paddock {
namespace {

v1::OnNodeLoss ToProto(OnNodeLoss on_node_loss) {
  switch (on_node_loss) {
    case OnNodeLoss::kKeep:
      return v1::ON_NODE_LOSS_KEEP;
    case OnNodeLoss::kReschedule:
      return v1::ON_NODE_LOSS_RESCHEDULE;
  }
  return v1::ON_NODE_LOSS_UNSPECIFIED;
}

v1::Compute ToProto(const Compute& compute) {
  v1::Compute proto;
  proto.mutable_limits()->set_cpu_millis(compute.limits.cpu_millis);
  proto.mutable_limits()->set_memory_bytes(compute.limits.memory_bytes);
  proto.mutable_limits()->set_disk_bytes(compute.limits.disk_bytes);
  proto.mutable_limits()->set_pids(compute.limits.pids);
  proto.mutable_requests()->set_cpu_millis(compute.requests.cpu_millis);
  proto.mutable_requests()->set_memory_bytes(compute.requests.memory_bytes);
  proto.mutable_requests()->set_disk_bytes(compute.requests.disk_bytes);
  proto.set_runtime_class(compute.runtime_class);
  *proto.mutable_node_labels() = ToProtoMap(compute.node_labels);
  return proto;
}

Compute ComputeOf(const v1::Compute& compute) {
  Compute result;
  result.limits = {compute.limits().cpu_millis(), compute.limits().memory_bytes(),
                   compute.limits().disk_bytes(), compute.limits().pids()};
  result.requests = {compute.requests().cpu_millis(), compute.requests().memory_bytes(),
                     compute.requests().disk_bytes()};
  result.runtime_class = compute.runtime_class();
  result.node_labels = FromProtoMap(compute.node_labels());
  return result;
}

absl::StatusOr<OnNodeLoss> OnNodeLossOf(v1::OnNodeLoss value) {
  switch (value) {
    case v1::ON_NODE_LOSS_UNSPECIFIED:
    case v1::ON_NODE_LOSS_KEEP:
      return OnNodeLoss::kKeep;
    case v1::ON_NODE_LOSS_RESCHEDULE:
      return OnNodeLoss::kReschedule;
    default:
      return errors::InvalidField("on_node_loss", absl::StrCat("has no value ", value));
  }
}

absl::StatusOr<SessionPhase> PhaseOf(int index, int value) {
  switch (value) {
    case v1::SESSION_STATE_PENDING:
      return SessionPhase::kPending;
    case v1::SESSION_STATE_STARTING:
      return SessionPhase::kStarting;
    case v1::SESSION_STATE_RUNNING:
      return SessionPhase::kRunning;
    case v1::SESSION_STATE_RESCHEDULING:
      return SessionPhase::kRescheduling;
    case v1::SESSION_STATE_STOPPING:
      return SessionPhase::kStopping;
    case v1::SESSION_STATE_TERMINATED:
      return SessionPhase::kTerminated;
    default:
      return errors::InvalidField(absl::StrCat("states[", index, "]"),
                                  absl::StrCat("has no value ", value));
  }
}

absl::StatusOr<ListOrder> OrderOf(v1::Order order) {
  switch (order) {
    case v1::ORDER_UNSPECIFIED:
    case v1::ORDER_DESC:
      return ListOrder::kNewestFirst;
    case v1::ORDER_ASC:
      return ListOrder::kOldestFirst;
    default:
      return errors::InvalidField("order", absl::StrCat("has no value ", order));
  }
}

absl::StatusOr<absl::Time> TimeOf(absl::string_view field,
                                  const google::protobuf::Timestamp& timestamp) {
  const std::optional<absl::Time> time = FromTimestamp(timestamp);
  if (!time) return errors::InvalidField(field, "is no valid time");
  return *time;
}

std::string StateReason(const Session& session) {
  if (session.reason.empty() || session.message.empty()) {
    return session.reason + session.message;
  }
  return absl::StrCat(session.reason, ": ", session.message);
}

void SetTimes(const Session& session, v1::Session* proto) {
  *proto->mutable_created_at() = ToTimestamp(session.created_at);
  *proto->mutable_updated_at() = ToTimestamp(session.updated_at);
  if (session.started_at) *proto->mutable_started_at() = ToTimestamp(*session.started_at);
  if (session.ended_at) *proto->mutable_ended_at() = ToTimestamp(*session.ended_at);
  if (session.archived_at) *proto->mutable_archived_at() = ToTimestamp(*session.archived_at);
}

}  // namespace

v1::SessionState ToProto(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kPending:
      return v1::SESSION_STATE_PENDING;
    case SessionPhase::kStarting:
      return v1::SESSION_STATE_STARTING;
    case SessionPhase::kRunning:
      return v1::SESSION_STATE_RUNNING;
    case SessionPhase::kRescheduling:
      return v1::SESSION_STATE_RESCHEDULING;
    case SessionPhase::kStopping:
      return v1::SESSION_STATE_STOPPING;
    case SessionPhase::kTerminated:
      return v1::SESSION_STATE_TERMINATED;
  }
  return v1::SESSION_STATE_UNSPECIFIED;
}

v1::Session ToProto(const Session& session) {
  v1::Session proto;
  proto.set_id(session.id.value());
  if (session.agent) *proto.mutable_agent() = ToProto(*session.agent);
  proto.set_environment_id(session.environment_id.value());
  proto.set_title(session.title.value_or(""));
  *proto.mutable_metadata() = ToProtoMap(session.metadata);
  *proto.mutable_config() = ToProto(session.config);
  *proto.mutable_compute() = ToProto(session.compute);
  proto.set_state(ToProto(session.state));
  proto.set_state_reason(StateReason(session));
  proto.set_revision(session.revision);
  proto.set_on_node_loss(ToProto(session.on_node_loss));
  proto.set_node_id(session.node_id.value());
  proto.set_node_reachable(session.node_reachable);
  proto.set_generation(session.generation);
  if (session.exit_code) proto.set_exit_code(*session.exit_code);
  SetTimes(session, &proto);
  return proto;
}

absl::StatusOr<CreateSessionRequest> FromProto(const v1::CreateSessionRequest& request) {
  CreateSessionRequest result;
  if (request.has_agent()) {
    result.agent = AgentReference{AgentId(request.agent().id()), request.agent().version(),
                                  FromProto(request.agent().overrides())};
  }
  result.environment_id = EnvironmentId(request.environment_id());
  if (!request.title().empty()) result.title = request.title();
  result.metadata = FromProtoMap(request.metadata());
  result.compute = ComputeOf(request.compute());
  PADDOCK_ASSIGN_OR_RETURN(result.on_node_loss, OnNodeLossOf(request.on_node_loss()));
  if (request.has_wait()) {
    result.wait = FromProtoDuration(request.wait());
    if (!result.wait) return errors::InvalidField("wait", "is no valid duration");
  }
  // How long its caller waits is no part of what is created.
  v1::CreateSessionRequest body = request;
  body.clear_wait();
  result.idempotency = IdempotencyOf(std::move(body));
  return result;
}

absl::StatusOr<ListSessionsRequest> FromProto(const v1::ListSessionsRequest& request) {
  ListSessionsRequest result;
  result.page = PageOf(request);
  SessionFilter& filter = result.filter;
  if (!request.environment_id().empty()) {
    filter.environment_id = EnvironmentId(request.environment_id());
  }
  if (!request.agent_id().empty()) filter.agent_id = AgentId(request.agent_id());
  for (int i = 0; i < request.states_size(); ++i) {
    PADDOCK_ASSIGN_OR_RETURN(const SessionPhase phase, PhaseOf(i, request.states(i)));
    filter.phases.push_back(phase);
  }
  if (request.has_created_after()) {
    PADDOCK_ASSIGN_OR_RETURN(filter.created_after,
                             TimeOf("created_after", request.created_after()));
  }
  if (request.has_created_before()) {
    PADDOCK_ASSIGN_OR_RETURN(filter.created_before,
                             TimeOf("created_before", request.created_before()));
  }
  filter.archived = ArchivedOf(request);
  PADDOCK_ASSIGN_OR_RETURN(filter.order, OrderOf(request.order()));
  return result;
}

absl::StatusOr<SessionPatch> PatchOf(const v1::UpdateSessionRequest& request) {
  SessionPatch patch;
  if (!request.has_update_mask()) {
    if (request.has_title()) patch.title = request.title();
    patch.metadata = MergeMetadata(request.metadata());
    return patch;
  }
  PADDOCK_ASSIGN_OR_RETURN(const std::set<std::string> mask,
                           ReadMask(request.update_mask(), {"title", "metadata"}));
  if (mask.count("title") > 0) {
    patch.title = request.has_title() ? std::optional<std::string>(request.title()) : std::nullopt;
  }
  if (mask.count("metadata") > 0) {
    patch.metadata = ReplaceMetadata(request.metadata());
  }
  return patch;
}

}  // namespace paddock
