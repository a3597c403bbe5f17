#include "nodeagent/egress/gateway_json.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

using nlohmann::json;

constexpr char kUnrestricted[] = "unrestricted";
constexpr char kLimited[] = "limited";
constexpr char kNone[] = "none";

const char* KindName(NetworkPolicy::Kind kind) {
  switch (kind) {
    case NetworkPolicy::Kind::kNone:
      return kNone;
    case NetworkPolicy::Kind::kUnrestricted:
      return kUnrestricted;
    case NetworkPolicy::Kind::kLimited:
      return kLimited;
  }
  return kNone;
}

absl::Status WrongField(const char* name) {
  return absl::InvalidArgumentError(absl::StrCat("field \"", name, "\" is missing or wrong"));
}

absl::StatusOr<std::map<std::string, int64_t>> CountsField(const json& object, const char* name) {
  auto field = object.find(name);
  if (field == object.end() || !field->is_object()) return WrongField(name);
  std::map<std::string, int64_t> counts;
  for (const auto& [key, value] : field->items()) {
    if (!value.is_number_integer()) return WrongField(name);
    counts[key] = value.get<int64_t>();
  }
  return counts;
}

// Of kLimited.
absl::StatusOr<NetworkPolicy> LimitedFromJson(const json& object) {
  NetworkPolicy policy;
  policy.kind = NetworkPolicy::Kind::kLimited;
  PADDOCK_ASSIGN_OR_RETURN(policy.hosts, StringsField(object, "hosts"));
  auto ports = object.find("host_ports");
  if (ports == object.end() || !ports->is_array()) return WrongField("host_ports");
  for (const json& item : *ports) {
    HostPort host_port;
    if (!item.is_object()) return WrongField("host_ports");
    PADDOCK_ASSIGN_OR_RETURN(host_port.host, StringField(item, "host"));
    PADDOCK_ASSIGN_OR_RETURN(int64_t port, IntField(item, "port"));
    if (port < 1 || port > 65535) return WrongField("port");
    host_port.port = static_cast<int>(port);
    policy.host_ports.push_back(std::move(host_port));
  }
  return policy;
}

NetworkPolicy PolicyFromJson(const std::string& kind, const json& object) {
  NetworkPolicy policy;
  if (kind == kUnrestricted) policy.kind = NetworkPolicy::Kind::kUnrestricted;
  if (kind == kLimited) return LimitedFromJson(object).value_or(NetworkPolicy());
  return policy;
}

}  // namespace

absl::StatusOr<json> ParseJsonObject(absl::string_view text) {
  json object = json::parse(text.begin(), text.end(), nullptr, false);
  if (object.is_discarded() || !object.is_object()) {
    return absl::InvalidArgumentError("not a JSON object");
  }
  return object;
}

absl::StatusOr<std::string> StringField(const json& object, const char* name) {
  auto field = object.find(name);
  if (field == object.end() || !field->is_string()) return WrongField(name);
  return field->get<std::string>();
}

absl::StatusOr<int64_t> IntField(const json& object, const char* name) {
  auto field = object.find(name);
  if (field == object.end() || !field->is_number_integer()) return WrongField(name);
  return field->get<int64_t>();
}

absl::StatusOr<std::vector<std::string>> StringsField(const json& object, const char* name) {
  auto field = object.find(name);
  if (field == object.end() || !field->is_array()) return WrongField(name);
  std::vector<std::string> values;
  for (const json& value : *field) {
    if (!value.is_string()) return WrongField(name);
    values.push_back(value.get<std::string>());
  }
  return values;
}

json ToJson(const GatewaySession& session) {
  json object = {{"session_id", session.session_id},
                 {"generation", session.generation},
                 {"address", session.address},
                 {"router_veth", session.router_veth},
                 {"policy", KindName(session.policy.kind)},
                 {"fenced", session.fenced},
                 {"cgroup_directories", session.cgroup_directories}};
  if (session.policy.kind != NetworkPolicy::Kind::kLimited) return object;
  json ports = json::array();
  for (const HostPort& host_port : session.policy.host_ports) {
    ports.push_back({{"host", host_port.host}, {"port", host_port.port}});
  }
  object["hosts"] = session.policy.hosts;
  object["host_ports"] = std::move(ports);
  return object;
}

absl::StatusOr<GatewaySession> SessionFromJson(const json& object) {
  GatewaySession session;
  PADDOCK_ASSIGN_OR_RETURN(session.session_id, StringField(object, "session_id"));
  PADDOCK_ASSIGN_OR_RETURN(session.generation, IntField(object, "generation"));
  PADDOCK_ASSIGN_OR_RETURN(session.address, StringField(object, "address"));
  PADDOCK_ASSIGN_OR_RETURN(session.router_veth, StringField(object, "router_veth"));
  PADDOCK_ASSIGN_OR_RETURN(std::string policy, StringField(object, "policy"));
  session.policy = PolicyFromJson(policy, object);
  auto fenced = object.find("fenced");
  if (fenced == object.end() || !fenced->is_boolean()) return WrongField("fenced");
  session.fenced = fenced->get<bool>();
  PADDOCK_ASSIGN_OR_RETURN(session.cgroup_directories, StringsField(object, "cgroup_directories"));
  return session;
}

json ToJson(const GatewayStats& stats) {
  json by_session = json::object();
  for (const auto& [id, counts] : stats.session_egress) {
    by_session[id] = {{"allowed", counts.allowed},
                      {"denied", counts.denied},
                      {"bytes_sent", counts.bytes_sent},
                      {"bytes_received", counts.bytes_received}};
  }
  return {{"sessions", stats.sessions},
          {"fenced_kills", stats.fenced_kills},
          {"verdict_packets", stats.verdict_packets},
          {"dns_queries", stats.dns_queries},
          {"egress_verdicts", stats.egress_verdicts},
          {"session_egress", std::move(by_session)},
          {"open_connections", stats.open_connections},
          {"problems", stats.problems}};
}

absl::StatusOr<GatewayStats> StatsFromJson(const json& object) {
  GatewayStats stats;
  PADDOCK_ASSIGN_OR_RETURN(stats.sessions, IntField(object, "sessions"));
  PADDOCK_ASSIGN_OR_RETURN(stats.fenced_kills, IntField(object, "fenced_kills"));
  PADDOCK_ASSIGN_OR_RETURN(stats.verdict_packets, CountsField(object, "verdict_packets"));
  PADDOCK_ASSIGN_OR_RETURN(stats.dns_queries, CountsField(object, "dns_queries"));
  PADDOCK_ASSIGN_OR_RETURN(stats.problems, StringsField(object, "problems"));
  // A gateway process that is older than the agent doesn't count these.
  if (!object.contains("egress_verdicts")) return stats;
  PADDOCK_ASSIGN_OR_RETURN(stats.egress_verdicts, CountsField(object, "egress_verdicts"));
  PADDOCK_ASSIGN_OR_RETURN(stats.open_connections, IntField(object, "open_connections"));
  auto by_session = object.find("session_egress");
  if (by_session == object.end() || !by_session->is_object()) return WrongField("session_egress");
  for (const auto& [id, item] : by_session->items()) {
    if (!item.is_object()) return WrongField("session_egress");
    EgressCounts& counts = stats.session_egress[id];
    PADDOCK_ASSIGN_OR_RETURN(counts.allowed, IntField(item, "allowed"));
    PADDOCK_ASSIGN_OR_RETURN(counts.denied, IntField(item, "denied"));
    PADDOCK_ASSIGN_OR_RETURN(counts.bytes_sent, IntField(item, "bytes_sent"));
    PADDOCK_ASSIGN_OR_RETURN(counts.bytes_received, IntField(item, "bytes_received"));
  }
  return stats;
}

json ToJson(const GatewayOptions& options) {
  return {{"directory", options.directory},
          {"instance", options.instance},
          {"subnet", options.subnet},
          {"blocked", options.blocked},
          {"operator_file", options.operator_file},
          {"resolv_conf", options.resolv_conf},
          {"max_connections_per_session", options.max_connections_per_session}};
}

absl::StatusOr<GatewayOptions> OptionsFromJson(const json& object) {
  GatewayOptions options;
  PADDOCK_ASSIGN_OR_RETURN(options.directory, StringField(object, "directory"));
  PADDOCK_ASSIGN_OR_RETURN(options.instance, StringField(object, "instance"));
  PADDOCK_ASSIGN_OR_RETURN(options.subnet, StringField(object, "subnet"));
  PADDOCK_ASSIGN_OR_RETURN(options.blocked, StringsField(object, "blocked"));
  PADDOCK_ASSIGN_OR_RETURN(options.operator_file, StringField(object, "operator_file"));
  PADDOCK_ASSIGN_OR_RETURN(options.resolv_conf, StringField(object, "resolv_conf"));
  PADDOCK_ASSIGN_OR_RETURN(int64_t limit, IntField(object, "max_connections_per_session"));
  if (limit < 1 || limit > 1'000'000) return WrongField("max_connections_per_session");
  options.max_connections_per_session = static_cast<int>(limit);
  return options;
}

}  // namespace paddock::nodeagent
