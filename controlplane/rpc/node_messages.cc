#include "controlplane/rpc/node_messages.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/proto_time.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

namespace wire = internal::v1;

std::vector<std::string> Strings(const google::protobuf::RepeatedPtrField<std::string>& values) {
  return {values.begin(), values.end()};
}

std::map<std::string, std::string> Map(
    const google::protobuf::Map<std::string, std::string>& values) {
  return {values.begin(), values.end()};
}

v1::OnNodeLoss ToProto(OnNodeLoss on_node_loss) {
  switch (on_node_loss) {
    case OnNodeLoss::kKeep:
      return v1::ON_NODE_LOSS_KEEP;
    case OnNodeLoss::kReschedule:
      return v1::ON_NODE_LOSS_RESCHEDULE;
  }
  return v1::ON_NODE_LOSS_UNSPECIFIED;
}

v1::ComputeLimits ToProto(const ComputeLimits& limits) {
  v1::ComputeLimits proto;
  proto.set_cpu_millis(limits.cpu_millis);
  proto.set_memory_bytes(limits.memory_bytes);
  proto.set_disk_bytes(limits.disk_bytes);
  proto.set_pids(limits.pids);
  return proto;
}

wire::NetworkPolicy ToProto(const NetworkPolicy& policy) {
  wire::NetworkPolicy proto;
  if (!policy.limited) {
    proto.mutable_unrestricted();
    return proto;
  }
  wire::NetworkPolicy::Limited* limited = proto.mutable_limited();
  for (const std::string& host : policy.hosts) limited->add_hosts(host);
  limited->set_allow_package_managers(policy.allow_package_managers);
  for (const HostPort& target : policy.host_ports) {
    wire::NetworkPolicy::HostPort* host_port = limited->add_host_ports();
    host_port->set_host(target.host);
    host_port->set_port(static_cast<uint32_t>(target.port));
  }
  return proto;
}

absl::StatusOr<SessionPhase> PhaseFromProto(wire::SessionPhase phase) {
  switch (phase) {
    case wire::SESSION_PHASE_STARTING:
      return SessionPhase::kStarting;
    case wire::SESSION_PHASE_RUNNING:
      return SessionPhase::kRunning;
    case wire::SESSION_PHASE_STOPPING:
      return SessionPhase::kStopping;
    case wire::SESSION_PHASE_TERMINATED:
      return SessionPhase::kTerminated;
    default:
      return errors::InvalidField("phase", absl::StrCat("unknown phase ", phase));
  }
}

absl::Status ReadTimes(const wire::SessionStatus& proto, SessionStatus* status) {
  if (proto.has_started_at()) {
    status->started_at = FromTimestamp(proto.started_at());
    if (!status->started_at) return errors::InvalidField("started_at", "out of range");
  }
  if (proto.has_ended_at()) {
    status->ended_at = FromTimestamp(proto.ended_at());
    if (!status->ended_at) return errors::InvalidField("ended_at", "out of range");
  }
  for (const auto& [step, duration] : proto.step_durations()) {
    const std::optional<absl::Duration> took = FromProtoDuration(duration);
    if (!took) return errors::InvalidField("step_durations", "out of range");
    status->step_durations.emplace(step, *took);
  }
  return absl::OkStatus();
}

}  // namespace

wire::SessionSpec ToProto(const SessionSpec& spec) {
  wire::SessionSpec proto;
  proto.set_session_id(spec.session_id.value());
  proto.set_generation(spec.generation);
  proto.set_organization(spec.tenant.organization);
  proto.set_workspace(spec.tenant.workspace);
  proto.set_image_digest(spec.image_digest);
  *proto.mutable_limits() = ToProto(spec.limits);
  proto.set_runtime_class(spec.runtime_class);
  proto.set_on_node_loss(ToProto(spec.on_node_loss));
  *proto.mutable_network() = ToProto(spec.network);
  proto.set_keep_volume(spec.keep_volume);
  return proto;
}

wire::StopSessionRequest ToProto(const SessionStop& stop) {
  wire::StopSessionRequest proto;
  proto.set_session_id(stop.session_id.value());
  proto.set_generation(stop.generation);
  proto.set_reason(stop.reason);
  return proto;
}

wire::DesiredSession ToProto(const DesiredSession& desired) {
  wire::DesiredSession proto;
  proto.set_revision(desired.revision);
  if (const auto* spec = std::get_if<SessionSpec>(&desired.desired)) {
    *proto.mutable_run() = ToProto(*spec);
  } else {
    *proto.mutable_stop() = ToProto(std::get<SessionStop>(desired.desired));
  }
  return proto;
}

wire::HeartbeatResponse ToProto(const HeartbeatAnswer& answer) {
  wire::HeartbeatResponse proto;
  proto.set_revision(answer.revision);
  for (const DesiredSession& desired : answer.desired) *proto.add_desired() = ToProto(desired);
  *proto.mutable_heartbeat_interval() = ToProtoDuration(answer.heartbeat_interval);
  *proto.mutable_fence_after() = ToProtoDuration(answer.fence_after);
  proto.set_superseded(answer.superseded);
  return proto;
}

wire::BuildLayerRequest ToProto(const LayerOrder& order) {
  wire::BuildLayerRequest proto;
  proto.set_build_id(order.build_id);
  proto.set_cache_key(order.cache_key);
  proto.set_base_image(order.base_image);
  proto.set_parent(order.parent);
  proto.set_manager(order.manager);
  proto.set_toolchain(order.toolchain);
  proto.mutable_specs()->Add(order.specs.begin(), order.specs.end());
  *proto.mutable_network() = ToProto(order.network);
  *proto.mutable_limits() = ToProto(order.limits);
  *proto.mutable_timeout() = ToProtoDuration(order.timeout);
  return proto;
}

absl::StatusOr<BuildOutcome> FromProto(const wire::BuiltLayer& proto) {
  if (proto.digest().empty()) return errors::Internal("A node has built a layer without a digest.");
  if (proto.size_bytes() < 0) return errors::Internal("A node has built a layer of negative size.");
  BuiltLayer built;
  built.digest = proto.digest();
  built.size_bytes = proto.size_bytes();
  built.duration = FromProtoDuration(proto.duration()).value_or(absl::ZeroDuration());
  built.registry_hosts = Strings(proto.registry_hosts());
  built.other_hosts = Strings(proto.other_hosts());
  return built;
}

BuildOutcome FromProto(const wire::BuildLayerFailure& proto, absl::string_view manager) {
  ImageFailure failure;
  failure.manager = std::string(manager);
  failure.package = proto.package();
  failure.exit_code = proto.exit_code();
  failure.log_tail = proto.log_tail();
  failure.reason = proto.reason();
  failure.message = proto.message();
  return failure;
}

absl::StatusOr<SessionStatus> FromProto(const wire::SessionStatus& proto) {
  if (proto.session_id().empty()) return errors::InvalidField("session_id", "must not be empty");
  if (proto.generation() <= 0) return errors::InvalidField("generation", "must be positive");
  SessionStatus status;
  status.session_id = SessionId(proto.session_id());
  status.generation = proto.generation();
  PADDOCK_ASSIGN_OR_RETURN(status.state, PhaseFromProto(proto.phase()));
  status.reason = proto.reason();
  status.message = proto.message();
  if (proto.has_exit_code()) status.exit_code = proto.exit_code();
  status.signal = proto.signal();
  PADDOCK_RETURN_IF_ERROR(ReadTimes(proto, &status));
  return status;
}

absl::StatusOr<std::vector<SessionStatus>> FromProto(
    const google::protobuf::RepeatedPtrField<wire::SessionStatus>& statuses) {
  std::vector<SessionStatus> result;
  result.reserve(statuses.size());
  for (const wire::SessionStatus& proto : statuses) {
    PADDOCK_ASSIGN_OR_RETURN(SessionStatus status, FromProto(proto));
    result.push_back(std::move(status));
  }
  return result;
}

absl::StatusOr<NodeRegistration> FromProto(const wire::RegisterRequest& request) {
  NodeRegistration registration;
  registration.id = NodeId(request.node_id());
  registration.name = request.name();
  registration.address = request.address();
  registration.epoch = request.epoch();
  registration.boot_id = request.boot_id();
  registration.capacity = {request.capacity().cpu_millis(), request.capacity().memory_bytes(),
                           request.capacity().disk_bytes(), request.capacity().sessions()};
  registration.labels = Map(request.labels());
  registration.runtime_classes = Strings(request.runtime_classes());
  registration.images = Strings(request.images());
  registration.base_image = request.base_image();
  registration.details = Map(request.details());
  PADDOCK_ASSIGN_OR_RETURN(registration.sessions, FromProto(request.sessions()));
  return registration;
}

absl::StatusOr<HeartbeatReport> FromProto(const wire::HeartbeatRequest& request) {
  HeartbeatReport report;
  report.id = NodeId(request.node_id());
  report.epoch = request.epoch();
  report.sequence = request.sequence();
  report.applied_revision = request.applied_revision();
  PADDOCK_ASSIGN_OR_RETURN(report.sessions, FromProto(request.sessions()));
  report.not_schedulable_reason = request.not_schedulable_reason();
  report.images = Strings(request.images());
  return report;
}

}  // namespace paddock
