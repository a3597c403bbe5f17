#include "controlplane/store/json_codec.h"

#include <utility>

namespace paddock {
namespace {

using nlohmann::json;

// The members of `object`, read with defaults.
std::string String(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::optional<std::string> OptionalString(const json& object, const char* key) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_string()) return std::nullopt;
  return it->get<std::string>();
}

int64_t Integer(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

bool Boolean(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_boolean() && it->get<bool>();
}

const json& Member(const json& object, const char* key) {
  static const json* const null = new json();
  auto it = object.find(key);
  return it != object.end() ? *it : *null;
}

std::vector<std::string> Strings(const json& array) {
  std::vector<std::string> values;
  if (!array.is_array()) return values;
  for (const json& value : array) {
    if (value.is_string()) values.push_back(value.get<std::string>());
  }
  return values;
}

StringMap Map(const json& object) {
  StringMap map;
  if (!object.is_object()) return map;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (it->is_string()) map[it.key()] = it->get<std::string>();
  }
  return map;
}

json FromTime(absl::Time time) { return absl::ToUnixMicros(time); }

void PutTime(json* object, const char* key, const std::optional<absl::Time>& time) {
  if (time.has_value()) (*object)[key] = FromTime(*time);
}

absl::Time ToTime(const json& object, const char* key) {
  return absl::FromUnixMicros(Integer(object, key));
}

std::optional<absl::Time> ToOptionalTime(const json& object, const char* key) {
  if (object.find(key) == object.end()) return std::nullopt;
  return ToTime(object, key);
}

json FromPackages(const Packages& packages) {
  return {{"apt", packages.apt}, {"cargo", packages.cargo}, {"gem", packages.gem},
          {"go", packages.go},   {"npm", packages.npm},     {"pip", packages.pip}};
}

Packages ToPackages(const json& object) {
  return {Strings(Member(object, "apt")), Strings(Member(object, "cargo")),
          Strings(Member(object, "gem")), Strings(Member(object, "go")),
          Strings(Member(object, "npm")), Strings(Member(object, "pip"))};
}

json FromConfig(const EnvironmentConfig& config) {
  if (std::holds_alternative<SelfHostedConfig>(config)) return {{"type", "self_hosted"}};
  const CloudConfig& cloud = std::get<CloudConfig>(config);
  json networking = {{"type", "unrestricted"}};
  if (const auto* limited = std::get_if<LimitedNetwork>(&cloud.networking)) {
    networking = {{"type", "limited"},
                  {"allowed_hosts", limited->allowed_hosts},
                  {"allow_mcp_servers", limited->allow_mcp_servers},
                  {"allow_package_managers", limited->allow_package_managers}};
  }
  return {{"type", "cloud"},
          {"packages", FromPackages(cloud.packages)},
          {"networking", std::move(networking)}};
}

EnvironmentConfig ToConfig(const json& object) {
  if (String(object, "type") == "self_hosted") return SelfHostedConfig{};
  CloudConfig cloud;
  cloud.packages = ToPackages(Member(object, "packages"));
  const json& networking = Member(object, "networking");
  // What can't be read must never open the network.
  if (String(networking, "type") != "unrestricted") {
    cloud.networking = LimitedNetwork{Strings(Member(networking, "allowed_hosts")),
                                      Boolean(networking, "allow_mcp_servers"),
                                      Boolean(networking, "allow_package_managers")};
  }
  return cloud;
}

json FromImage(const EnvironmentImage& image) {
  json layers = json::array();
  for (const ImageLayer& layer : image.layers) {
    layers.push_back({{"manager", layer.manager},
                      {"digest", layer.digest},
                      {"size_bytes", layer.size_bytes},
                      {"built_at", FromTime(layer.built_at)},
                      {"build_us", absl::ToInt64Microseconds(layer.build_duration)},
                      {"toolchain", layer.toolchain}});
  }
  json builds = json::array();
  for (const BuildReference& build : image.builds) {
    builds.push_back({{"id", build.build_id}, {"manager", build.manager}});
  }
  json object = {{"state", static_cast<int>(image.state)},
                 {"digest", image.digest},
                 {"size_bytes", image.size_bytes},
                 {"layers", std::move(layers)},
                 {"generation", image.generation},
                 {"refresh_epoch", image.refresh_epoch},
                 {"builds", std::move(builds)}};
  if (image.building_since.has_value()) {
    object["building_manager"] = image.building_manager;
    PutTime(&object, "building_since", image.building_since);
  }
  if (image.failure.has_value()) {
    object["failure"] = {
        {"manager", image.failure->manager},     {"package", image.failure->package},
        {"exit_code", image.failure->exit_code}, {"log_tail", image.failure->log_tail},
        {"reason", image.failure->reason},       {"message", image.failure->message}};
  }
  return object;
}

EnvironmentImage ToImage(const json& object) {
  EnvironmentImage image;
  const int64_t state = Integer(object, "state");
  image.state = state >= 1 && state <= 4 ? static_cast<ImageState>(state) : ImageState::kPending;
  image.digest = String(object, "digest");
  image.size_bytes = Integer(object, "size_bytes");
  for (const json& layer : Member(object, "layers")) {
    image.layers.push_back({String(layer, "manager"), String(layer, "digest"),
                            Integer(layer, "size_bytes"), ToTime(layer, "built_at"),
                            absl::Microseconds(Integer(layer, "build_us")),
                            Boolean(layer, "toolchain")});
  }
  image.generation = Integer(object, "generation");
  image.refresh_epoch = Integer(object, "refresh_epoch");
  for (const json& build : Member(object, "builds")) {
    image.builds.push_back({String(build, "id"), String(build, "manager")});
  }
  image.building_manager = String(object, "building_manager");
  image.building_since = ToOptionalTime(object, "building_since");
  const json& failure = Member(object, "failure");
  if (failure.is_object()) {
    image.failure = ImageFailure{String(failure, "manager"),
                                 String(failure, "package"),
                                 static_cast<int>(Integer(failure, "exit_code")),
                                 String(failure, "log_tail"),
                                 String(failure, "reason"),
                                 String(failure, "message")};
  }
  return image;
}

json FromAgent(const Agent& agent) {
  json servers = json::array();
  for (const McpServer& server : agent.mcp_servers) {
    servers.push_back({{"name", server.name}, {"url", server.url}});
  }
  json object = {{"id", agent.id.value()},
                 {"version", agent.version},
                 {"name", agent.name},
                 {"model", agent.model},
                 {"mcp_servers", std::move(servers)},
                 {"tools", agent.tools},
                 {"skills", agent.skills},
                 {"metadata", agent.metadata},
                 {"rest", agent.rest},
                 {"created_at", FromTime(agent.created_at)},
                 {"updated_at", FromTime(agent.updated_at)}};
  if (agent.description.has_value()) object["description"] = *agent.description;
  if (agent.system.has_value()) object["system"] = *agent.system;
  PutTime(&object, "archived_at", agent.archived_at);
  return object;
}

Agent ToAgent(const json& object) {
  Agent agent;
  agent.id = AgentId(String(object, "id"));
  agent.version = Integer(object, "version");
  agent.name = String(object, "name");
  agent.description = OptionalString(object, "description");
  agent.model = Member(object, "model");
  agent.system = OptionalString(object, "system");
  for (const json& server : Member(object, "mcp_servers")) {
    agent.mcp_servers.push_back({String(server, "name"), String(server, "url")});
  }
  for (const json& tool : Member(object, "tools")) agent.tools.push_back(tool);
  for (const json& skill : Member(object, "skills")) agent.skills.push_back(skill);
  agent.metadata = Map(Member(object, "metadata"));
  if (Member(object, "rest").is_object()) agent.rest = Member(object, "rest");
  agent.created_at = ToTime(object, "created_at");
  agent.updated_at = ToTime(object, "updated_at");
  agent.archived_at = ToOptionalTime(object, "archived_at");
  return agent;
}

json FromLimits(const ComputeLimits& limits) {
  return {{"cpu_millis", limits.cpu_millis},
          {"memory_bytes", limits.memory_bytes},
          {"disk_bytes", limits.disk_bytes},
          {"pids", limits.pids}};
}

ComputeLimits ToLimits(const json& object) {
  return {Integer(object, "cpu_millis"), Integer(object, "memory_bytes"),
          Integer(object, "disk_bytes"), Integer(object, "pids")};
}

}  // namespace

json ParseJson(absl::string_view text) {
  json parsed = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? json() : parsed;
}

std::string DumpJson(const json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string EncodeStrings(const std::vector<std::string>& values) { return DumpJson(values); }
std::vector<std::string> DecodeStrings(absl::string_view text) { return Strings(ParseJson(text)); }
std::string EncodeMap(const StringMap& map) { return DumpJson(map); }
StringMap DecodeMap(absl::string_view text) { return Map(ParseJson(text)); }
std::string EncodeConfig(const EnvironmentConfig& config) { return DumpJson(FromConfig(config)); }
EnvironmentConfig DecodeConfig(absl::string_view text) { return ToConfig(ParseJson(text)); }
std::string EncodeImage(const EnvironmentImage& image) { return DumpJson(FromImage(image)); }
EnvironmentImage DecodeImage(absl::string_view text) { return ToImage(ParseJson(text)); }
std::string EncodeAgent(const Agent& agent) { return DumpJson(FromAgent(agent)); }
Agent DecodeAgent(absl::string_view text) { return ToAgent(ParseJson(text)); }

std::string EncodeEnvironment(const Environment& environment) {
  json object = {{"id", environment.id.value()},
                 {"name", environment.name},
                 {"metadata", environment.metadata},
                 {"config", FromConfig(environment.config)},
                 {"image", FromImage(environment.image)},
                 {"revision", environment.revision},
                 {"created_at", FromTime(environment.created_at)},
                 {"updated_at", FromTime(environment.updated_at)}};
  if (environment.description.has_value()) object["description"] = *environment.description;
  PutTime(&object, "archived_at", environment.archived_at);
  return DumpJson(object);
}

Environment DecodeEnvironment(absl::string_view text) {
  const json object = ParseJson(text);
  Environment environment;
  environment.id = EnvironmentId(String(object, "id"));
  environment.name = String(object, "name");
  environment.description = OptionalString(object, "description");
  environment.metadata = Map(Member(object, "metadata"));
  environment.config = ToConfig(Member(object, "config"));
  environment.image = ToImage(Member(object, "image"));
  environment.revision = Integer(object, "revision");
  environment.created_at = ToTime(object, "created_at");
  environment.updated_at = ToTime(object, "updated_at");
  environment.archived_at = ToOptionalTime(object, "archived_at");
  return environment;
}

std::string EncodeSessionDocument(const Session& session) {
  json object = {{"config", FromConfig(session.config)},
                 {"limits", FromLimits(session.compute.limits)},
                 {"runtime_class", session.compute.runtime_class},
                 {"node_labels", session.compute.node_labels},
                 {"image_digest", session.image_digest}};
  if (session.agent.has_value()) object["agent"] = FromAgent(*session.agent);
  return DumpJson(object);
}

void DecodeSessionDocument(absl::string_view text, Session* session) {
  const json object = ParseJson(text);
  session->config = ToConfig(Member(object, "config"));
  session->compute.limits = ToLimits(Member(object, "limits"));
  session->compute.runtime_class = String(object, "runtime_class");
  session->compute.node_labels = Map(Member(object, "node_labels"));
  session->image_digest = String(object, "image_digest");
  if (Member(object, "agent").is_object()) {
    session->agent = ToAgent(Member(object, "agent"));
    session->agent->tenant = session->tenant;
  }
}

std::string EncodeSpec(const SessionSpec& spec) {
  json network = {{"limited", spec.network.limited}};
  if (spec.network.limited) {
    network["hosts"] = spec.network.hosts;
    network["allow_package_managers"] = spec.network.allow_package_managers;
    json& targets = network["host_ports"] = json::array();
    for (const HostPort& target : spec.network.host_ports) {
      targets.push_back({{"host", target.host}, {"port", target.port}});
    }
  }
  return DumpJson({{"image_digest", spec.image_digest},
                   {"limits", FromLimits(spec.limits)},
                   {"runtime_class", spec.runtime_class},
                   {"network", std::move(network)}});
}

void DecodeSpec(absl::string_view text, SessionSpec* spec) {
  const json object = ParseJson(text);
  spec->image_digest = String(object, "image_digest");
  spec->limits = ToLimits(Member(object, "limits"));
  spec->runtime_class = String(object, "runtime_class");
  const json& network = Member(object, "network");
  // What can't be read must never open the network.
  spec->network.limited = !Member(network, "limited").is_boolean() || Boolean(network, "limited");
  spec->network.hosts = Strings(Member(network, "hosts"));
  spec->network.allow_package_managers = Boolean(network, "allow_package_managers");
  for (const json& target : Member(network, "host_ports")) {
    const int64_t port = Integer(target, "port");
    if (port < 1 || port > 65535) continue;
    spec->network.host_ports.push_back({String(target, "host"), static_cast<int>(port)});
  }
}

}  // namespace paddock
