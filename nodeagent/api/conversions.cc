#include "nodeagent/api/conversions.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace paddock::nodeagent {
namespace {

namespace pb = internal::v1;

constexpr int64_t kDefaultCpuMillis = 2000;
constexpr int64_t kDefaultMemoryBytes = int64_t{2} << 30;
constexpr int64_t kDefaultDiskBytes = int64_t{10} << 30;
constexpr int64_t kDefaultPids = 1024;
// Exec time-outs beyond this are none at all.
constexpr absl::Duration kLongestTimeout = absl::Hours(24 * 365);

pb::SessionPhase PhaseToProto(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kPending:
    case SessionPhase::kRescheduling:
    case SessionPhase::kStarting:
      return pb::SESSION_PHASE_STARTING;
    case SessionPhase::kRunning:
      return pb::SESSION_PHASE_RUNNING;
    case SessionPhase::kStopping:
      return pb::SESSION_PHASE_STOPPING;
    case SessionPhase::kTerminated:
      return pb::SESSION_PHASE_TERMINATED;
  }
  return pb::SESSION_PHASE_UNSPECIFIED;
}

// A sandbox may claim any time; a Timestamp holds the years 1 to 9999.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;

void TimeToProto(absl::Time time, google::protobuf::Timestamp* proto) {
  time = std::min(std::max(time, absl::FromUnixSeconds(kFirstSecond)),
                  absl::FromUnixSeconds(kLastSecond));
  proto->set_seconds(absl::ToUnixSeconds(time));
  proto->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(proto->seconds()))));
}

v1::DirectoryEntry::Type EntryType(file_protocol::EntryType type) {
  switch (type) {
    case file_protocol::EntryType::kFile:
      return v1::DirectoryEntry::TYPE_FILE;
    case file_protocol::EntryType::kDirectory:
      return v1::DirectoryEntry::TYPE_DIRECTORY;
    case file_protocol::EntryType::kSymlink:
      return v1::DirectoryEntry::TYPE_SYMLINK;
    case file_protocol::EntryType::kEnd:
    case file_protocol::EntryType::kFifo:
    case file_protocol::EntryType::kSocket:
    case file_protocol::EntryType::kCharDevice:
    case file_protocol::EntryType::kBlockDevice:
      return v1::DirectoryEntry::TYPE_OTHER;
  }
  return v1::DirectoryEntry::TYPE_OTHER;
}

absl::StatusOr<SandboxLimits> LimitsFromProto(const v1::ComputeLimits& proto,
                                              absl::string_view field) {
  if (proto.cpu_millis() < 0 || proto.memory_bytes() < 0 || proto.disk_bytes() < 0 ||
      proto.pids() < 0) {
    return errors::InvalidField(field, "must not be negative");
  }
  const auto given = [](int64_t value, int64_t fallback) { return value > 0 ? value : fallback; };
  SandboxLimits limits;
  limits.cpu_millis = given(proto.cpu_millis(), kDefaultCpuMillis);
  limits.memory_bytes = given(proto.memory_bytes(), kDefaultMemoryBytes);
  limits.disk_bytes = given(proto.disk_bytes(), kDefaultDiskBytes);
  limits.pids = given(proto.pids(), kDefaultPids);
  return limits;
}

constexpr uint32_t kMaxPort = 65535;

NetworkPolicy LimitedFromProto(const pb::NetworkPolicy::Limited& proto) {
  NetworkPolicy policy;
  policy.hosts.assign(proto.hosts().begin(), proto.hosts().end());
  for (const pb::NetworkPolicy::HostPort& target : proto.host_ports()) {
    // Half a policy isn't the one that was asked for.
    if (target.host().empty() || target.port() < 1 || target.port() > kMaxPort) return {};
    policy.host_ports.push_back({target.host(), static_cast<int>(target.port())});
  }
  policy.kind = NetworkPolicy::Kind::kLimited;
  return policy;
}

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

}  // namespace

SessionNetwork NetworkFromProto(const pb::NetworkPolicy& proto) {
  SessionNetwork network;
  switch (proto.type_case()) {
    case pb::NetworkPolicy::kUnrestricted:
      network.policy.kind = NetworkPolicy::Kind::kUnrestricted;
      break;
    case pb::NetworkPolicy::kLimited:
      network.policy = LimitedFromProto(proto.limited());
      network.allow_package_managers = proto.limited().allow_package_managers();
      break;
    case pb::NetworkPolicy::TYPE_NOT_SET:
      break;
  }
  return network;
}

absl::StatusOr<SessionSpec> SpecFromProto(const pb::SessionSpec& proto) {
  SessionSpec spec;
  spec.session_id = proto.session_id();
  spec.generation = proto.generation();
  spec.image_digest = proto.image_digest();
  spec.runtime_class = proto.runtime_class();
  spec.keep_volume = proto.keep_volume();
  spec.on_node_loss = proto.on_node_loss() == v1::ON_NODE_LOSS_RESCHEDULE ? OnNodeLoss::kReschedule
                                                                          : OnNodeLoss::kKeep;
  spec.network = NetworkFromProto(proto.network());
  PADDOCK_ASSIGN_OR_RETURN(spec.limits, LimitsFromProto(proto.limits(), "spec.limits"));
  return spec;
}

void StatusToProto(const SessionStatus& status, pb::SessionStatus* proto) {
  proto->set_session_id(status.session_id);
  proto->set_generation(status.generation);
  proto->set_phase(PhaseToProto(status.phase));
  proto->set_reason(status.reason);
  proto->set_message(ReplaceInvalidUtf8(status.message));
  if (status.exit_code.has_value()) proto->set_exit_code(*status.exit_code);
  proto->set_signal(status.signal);
  if (status.started_at != absl::InfinitePast()) {
    TimeToProto(status.started_at, proto->mutable_started_at());
  }
  if (status.ended_at != absl::InfinitePast()) {
    TimeToProto(status.ended_at, proto->mutable_ended_at());
  }
  for (const auto& [step, duration] : status.step_durations) {
    DurationToProto(duration, &(*proto->mutable_step_durations())[step]);
  }
}

absl::StatusOr<ExecSpec> ExecSpecFromProto(const v1::ExecStart& proto) {
  ExecSpec spec;
  spec.command.assign(proto.command().begin(), proto.command().end());
  if (spec.command.empty() || spec.command[0].empty()) {
    return errors::InvalidField("start.command", "must not be empty");
  }
  for (const std::string& argument : spec.command) {
    if (HasNul(argument)) return errors::InvalidField("start.command", "must not hold NUL");
  }
  for (const auto& [name, value] : proto.env()) {
    if (name.empty() || HasNul(name) || name.find('=') != std::string::npos) {
      return errors::InvalidField("start.env", "names must not be empty or hold '=' or NUL");
    }
    if (HasNul(value)) return errors::InvalidField("start.env", "values must not hold NUL");
    spec.env[name] = value;
  }
  if (HasNul(proto.cwd())) return errors::InvalidField("start.cwd", "must not hold NUL");
  if (HasNul(proto.user())) return errors::InvalidField("start.user", "must not hold NUL");
  spec.cwd = proto.cwd();
  spec.user = proto.user();
  spec.tty = proto.tty();
  if (proto.rows() > 65535 || proto.cols() > 65535) {
    return errors::InvalidField("start.rows", "rows and cols are at most 65,535");
  }
  if (proto.rows() > 0) spec.rows = static_cast<int>(proto.rows());
  if (proto.cols() > 0) spec.cols = static_cast<int>(proto.cols());
  return spec;
}

absl::StatusOr<absl::Duration> ExecTimeoutFromProto(const v1::ExecStart& proto) {
  if (!proto.has_timeout()) return absl::InfiniteDuration();
  const absl::Duration timeout = DurationFromProto(proto.timeout());
  if (timeout <= absl::ZeroDuration()) {
    return errors::InvalidField("start.timeout", "must be positive");
  }
  return timeout > kLongestTimeout ? absl::InfiniteDuration() : timeout;
}

std::string ReplaceInvalidUtf8(absl::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const absl::string_view before = text;
    if (ConsumeCodePoint(&text).has_value()) {
      valid.append(before.data(), before.size() - text.size());
    } else {
      valid.append("\xEF\xBF\xBD");
      text.remove_prefix(1);
    }
  }
  return valid;
}

absl::StatusOr<BuildSpec> BuildSpecFromProto(const pb::BuildLayerRequest& proto) {
  BuildSpec spec;
  spec.build_id = proto.build_id();
  spec.cache_key = proto.cache_key();
  spec.base_image = proto.base_image();
  spec.parent = proto.parent();
  spec.manager = proto.manager();
  spec.toolchain = proto.toolchain();
  spec.specs.assign(proto.specs().begin(), proto.specs().end());
  for (const std::string& package : spec.specs) {
    if (HasNul(package)) return errors::InvalidField("specs", "must not hold NUL");
  }
  spec.network = NetworkFromProto(proto.network());
  // Whatever the environment's sessions may do later: a build without its registries is none.
  spec.network.allow_package_managers = true;
  PADDOCK_ASSIGN_OR_RETURN(spec.limits, LimitsFromProto(proto.limits(), "limits"));
  if (proto.has_timeout()) spec.timeout = DurationFromProto(proto.timeout());
  return spec;
}

void LayerToProto(const Layer& layer, pb::BuiltLayer* proto) {
  proto->set_digest(layer.digest);
  proto->set_size_bytes(layer.size_bytes);
  DurationToProto(layer.build_duration, proto->mutable_duration());
  for (const std::string& host : layer.registry_hosts) proto->add_registry_hosts(host);
  for (const std::string& host : layer.other_hosts) proto->add_other_hosts(host);
}

void FailureToProto(const BuildFailure& failure, pb::BuildLayerFailure* proto) {
  proto->set_reason(failure.reason);
  proto->set_message(ReplaceInvalidUtf8(failure.message));
  proto->set_package(ReplaceInvalidUtf8(failure.package));
  proto->set_exit_code(failure.exit_code);
  proto->set_log_tail(ReplaceInvalidUtf8(failure.log_tail));
}

void EntryToProto(const DirectoryEntry& entry, v1::DirectoryEntry* proto) {
  proto->set_name(ReplaceInvalidUtf8(entry.name));
  proto->set_type(EntryType(entry.type));
  proto->set_size_bytes(entry.size);
  proto->set_mode(entry.mode);
  TimeToProto(entry.modified, proto->mutable_modified_at());
  proto->set_link_target(ReplaceInvalidUtf8(entry.target));
}

void DurationToProto(absl::Duration duration, google::protobuf::Duration* proto) {
  absl::Duration rest;
  proto->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

absl::Duration DurationFromProto(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace paddock::nodeagent
