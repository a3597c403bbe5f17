#include "nodeagent/session/session_record.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;

Json TimeToJson(absl::Time time) {
  return time == absl::InfinitePast() ? Json(nullptr) : Json(absl::ToUnixMicros(time));
}

absl::Time TimeFromJson(const Json& json) {
  return json.is_number_integer() ? absl::FromUnixMicros(json.get<int64_t>())
                                  : absl::InfinitePast();
}

constexpr char kUnrestricted[] = "unrestricted";
constexpr char kLimited[] = "limited";
constexpr char kNone[] = "none";
// How earlier agents wrote an unrestricted network; they had no other.
constexpr int kUnrestrictedNumber = 1;

const char* KindName(NetworkPolicy::Kind kind) {
  switch (kind) {
    case NetworkPolicy::Kind::kUnrestricted:
      return kUnrestricted;
    case NetworkPolicy::Kind::kLimited:
      return kLimited;
    case NetworkPolicy::Kind::kNone:
      return kNone;
  }
  return kNone;
}

Json NetworkToJson(const SessionNetwork& network) {
  Json json = {{"kind", KindName(network.policy.kind)}};
  if (network.policy.kind != NetworkPolicy::Kind::kLimited) return json;
  json["hosts"] = network.policy.hosts;
  json["allow_package_managers"] = network.allow_package_managers;
  Json& targets = json["host_ports"] = Json::array();
  for (const HostPort& target : network.policy.host_ports) {
    targets.push_back({{"host", target.host}, {"port", target.port}});
  }
  return json;
}

// Throws for what isn't a limited network.
SessionNetwork LimitedFromJson(const Json& json) {
  SessionNetwork network;
  network.policy.kind = NetworkPolicy::Kind::kLimited;
  network.policy.hosts = json.at("hosts").get<std::vector<std::string>>();
  network.allow_package_managers = json.at("allow_package_managers").get<bool>();
  for (const Json& target : json.at("host_ports")) {
    network.policy.host_ports.push_back(
        {target.at("host").get<std::string>(), target.at("port").get<int>()});
  }
  return network;
}

// What can't be read is no network, and no reason to lose the rest of the record.
SessionNetwork NetworkFromJson(const Json& json) {
  SessionNetwork network;
  if (json.is_number_integer()) {
    if (json.get<int64_t>() == kUnrestrictedNumber) {
      network.policy.kind = NetworkPolicy::Kind::kUnrestricted;
    }
    return network;
  }
  const auto kind = json.find("kind");
  if (kind == json.end()) return network;
  if (*kind == kUnrestricted) network.policy.kind = NetworkPolicy::Kind::kUnrestricted;
  if (*kind != kLimited) return network;
  try {
    return LimitedFromJson(json);
  } catch (const Json::exception&) {
    return network;
  }
}

Json SpecToJson(const SessionSpec& spec) {
  return {{"session_id", spec.session_id},
          {"generation", spec.generation},
          {"image_digest", spec.image_digest},
          {"cpu_millis", spec.limits.cpu_millis},
          {"memory_bytes", spec.limits.memory_bytes},
          {"pids", spec.limits.pids},
          {"disk_bytes", spec.limits.disk_bytes},
          {"io_weight", spec.limits.io_weight},
          {"runtime_class", spec.runtime_class},
          {"reschedule", spec.on_node_loss == OnNodeLoss::kReschedule},
          {"network", NetworkToJson(spec.network)},
          {"keep_volume", spec.keep_volume}};
}

SessionSpec SpecFromJson(const Json& json) {
  SessionSpec spec;
  spec.session_id = json.value("session_id", "");
  spec.generation = json.value("generation", int64_t{0});
  spec.image_digest = json.value("image_digest", "");
  spec.limits.cpu_millis = json.value("cpu_millis", int64_t{0});
  spec.limits.memory_bytes = json.value("memory_bytes", int64_t{0});
  spec.limits.pids = json.value("pids", int64_t{0});
  spec.limits.disk_bytes = json.value("disk_bytes", int64_t{0});
  spec.limits.io_weight = json.value("io_weight", 100);
  spec.runtime_class = json.value("runtime_class", "");
  spec.on_node_loss = json.value("reschedule", false) ? OnNodeLoss::kReschedule : OnNodeLoss::kKeep;
  const auto network = json.find("network");
  if (network != json.end()) spec.network = NetworkFromJson(*network);
  spec.keep_volume = json.value("keep_volume", false);
  return spec;
}

Json StatusToJson(const SessionStatus& status) {
  Json json = {{"phase", std::string(SessionPhaseName(status.phase))},
               {"reason", status.reason},
               {"message", status.message},
               {"signal", status.signal},
               {"started_at", TimeToJson(status.started_at)},
               {"ended_at", TimeToJson(status.ended_at)}};
  if (status.exit_code.has_value()) json["exit_code"] = *status.exit_code;
  Json& steps = json["steps"] = Json::object();
  for (const auto& [step, duration] : status.step_durations) {
    steps[step] = absl::ToInt64Microseconds(duration);
  }
  return json;
}

absl::StatusOr<SessionStatus> StatusFromJson(const Json& json, const SessionSpec& spec) {
  SessionStatus status;
  status.session_id = spec.session_id;
  status.generation = spec.generation;
  const auto phase = ParseSessionPhase(json.value("phase", ""));
  if (!phase.has_value()) return absl::InvalidArgumentError("unknown phase");
  status.phase = *phase;
  status.reason = json.value("reason", "");
  status.message = json.value("message", "");
  status.signal = json.value("signal", 0);
  status.started_at = TimeFromJson(json.value("started_at", Json()));
  status.ended_at = TimeFromJson(json.value("ended_at", Json()));
  if (json.contains("exit_code")) status.exit_code = json["exit_code"].get<int>();
  const Json steps = json.value("steps", Json::object());
  for (const auto& [step, micros] : steps.items()) {
    status.step_durations[step] = absl::Microseconds(micros.get<int64_t>());
  }
  return status;
}

Json PairToJson(const PairRecord& pair) {
  return {{"index", pair.index},
          {"uid_base", pair.uid_base},
          {"address", pair.address},
          {"gateway", pair.gateway},
          {"router_veth", pair.router_veth}};
}

PairRecord PairFromJson(const Json& json) {
  PairRecord pair;
  pair.index = json.value("index", -1);
  pair.uid_base = json.value("uid_base", uint32_t{0});
  pair.address = json.value("address", "");
  pair.gateway = json.value("gateway", "");
  pair.router_veth = json.value("router_veth", "");
  return pair;
}

absl::StatusOr<SessionRecord> RecordFromJson(const Json& json) {
  SessionRecord record;
  record.spec = SpecFromJson(json.at("spec"));
  if (record.spec.session_id.empty() || record.spec.generation < 1) {
    return absl::InvalidArgumentError("no session or generation");
  }
  auto status = StatusFromJson(json.at("status"), record.spec);
  if (!status.ok()) return status.status();
  record.status = *std::move(status);
  record.boot_id = json.value("boot_id", "");
  record.start_attempts = json.value("start_attempts", 0);
  record.runtime = json.value("runtime", "");
  if (json.contains("pair")) record.pair = PairFromJson(json["pair"]);
  if (json.contains("container")) {
    const Json& container = json["container"];
    record.container = RunningContainer{container.at("pid").get<pid_t>(),
                                        container.at("start_time").get<uint64_t>()};
  }
  for (const Json& id : json.value("background_execs", Json::array())) {
    record.background_execs.insert(id.get<std::string>());
  }
  for (const Json& host : json.value("registry_hosts", Json::array())) {
    if (host.is_string()) record.registry_hosts.push_back(host.get<std::string>());
  }
  record.removed = json.value("removed", false);
  return record;
}

}  // namespace

bool SessionRecord::KeepsVolume() const {
  return status.phase == SessionPhase::kTerminated && spec.on_node_loss == OnNodeLoss::kKeep &&
         (status.reason == kReasonNodeRebooted ||
          (spec.keep_volume && !status.exit_code.has_value() &&
           status.started_at == absl::InfinitePast()));
}

NetworkPolicy SessionRecord::Policy() const {
  NetworkPolicy policy = spec.network.policy;
  if (policy.kind == NetworkPolicy::Kind::kLimited && spec.network.allow_package_managers) {
    policy.hosts.insert(policy.hosts.end(), registry_hosts.begin(), registry_hosts.end());
  }
  return policy;
}

std::string EncodeSessionRecord(const SessionRecord& record) {
  Json json = {{"spec", SpecToJson(record.spec)},
               {"status", StatusToJson(record.status)},
               {"boot_id", record.boot_id},
               {"start_attempts", record.start_attempts},
               {"removed", record.removed}};
  if (!record.runtime.empty()) json["runtime"] = record.runtime;
  if (record.pair.has_value()) json["pair"] = PairToJson(*record.pair);
  if (record.container.has_value()) {
    json["container"] = {{"pid", record.container->pid},
                         {"start_time", record.container->start_time}};
  }
  if (!record.background_execs.empty()) json["background_execs"] = record.background_execs;
  if (!record.registry_hosts.empty()) json["registry_hosts"] = record.registry_hosts;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<SessionRecord> DecodeSessionRecord(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("not a JSON object");
  // The library reports wrong types only by exceptions; they end here.
  try {
    return RecordFromJson(json);
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not a session record: ", error.what()));
  }
}

}  // namespace paddock::nodeagent
