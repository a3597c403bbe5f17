#include "controlplane/rest/environment_json.h"

#include <variant>

#include "controlplane/core/object_reader.h"
#include "controlplane/rest/body_reader.h"
#include "controlplane/rest/rest_time.h"

namespace paddock {
namespace {

using OrderedJson = nlohmann::ordered_json;

// --- Answers

OrderedJson ToJson(const Packages& packages) {
  return {{"type", "packages"},  {"apt", packages.apt}, {"cargo", packages.cargo},
          {"gem", packages.gem}, {"go", packages.go},   {"npm", packages.npm},
          {"pip", packages.pip}};
}

OrderedJson ToJson(const Networking& networking) {
  const auto* limited = std::get_if<LimitedNetwork>(&networking);
  if (limited == nullptr) return {{"type", "unrestricted"}};
  return {{"type", "limited"},
          {"allowed_hosts", limited->allowed_hosts},
          {"allow_mcp_servers", limited->allow_mcp_servers},
          {"allow_package_managers", limited->allow_package_managers}};
}

OrderedJson ToJson(const EnvironmentConfig& config) {
  const auto* cloud = std::get_if<CloudConfig>(&config);
  if (cloud == nullptr) return {{"type", "self_hosted"}};
  return {{"type", "cloud"},
          {"networking", ToJson(cloud->networking)},
          {"packages", ToJson(cloud->packages)}};
}

// --- Requests

void ReadPackages(const nlohmann::json& value, Violations* violations, PackagesPatch* patch) {
  ObjectReader packages("config.packages", value, violations);
  // The only kind that there is, so it may be left out.
  if (packages.Find("type") != nullptr) packages.Type({"packages"});
  patch->apt = packages.Strings("apt");
  patch->cargo = packages.Strings("cargo");
  patch->gem = packages.Strings("gem");
  patch->go = packages.Strings("go");
  patch->npm = packages.Strings("npm");
  patch->pip = packages.Strings("pip");
  packages.RefuseTheRest();
}

void ReadNetworking(const nlohmann::json& value, Violations* violations, NetworkingPatch* patch) {
  ObjectReader networking("config.networking", value, violations);
  const std::string type = networking.Type({"unrestricted", "limited"});
  if (type == "unrestricted") patch->kind = NetworkingPatch::Kind::kUnrestricted;
  if (type == "limited") {
    patch->kind = NetworkingPatch::Kind::kLimited;
    patch->limited.allowed_hosts = networking.Strings("allowed_hosts");
    patch->limited.allow_mcp_servers = networking.Bool("allow_mcp_servers");
    patch->limited.allow_package_managers = networking.Bool("allow_package_managers");
  }
  // What the other members mean is known only with a type.
  if (!type.empty()) networking.RefuseTheRest();
}

void ReadConfig(const nlohmann::json& value, Violations* violations, ConfigPatch* patch) {
  ObjectReader config("config", value, violations);
  const std::string type = config.Type({"cloud", "self_hosted"});
  if (type == "self_hosted") patch->kind = ConfigPatch::Kind::kSelfHosted;
  if (type == "cloud") {
    patch->kind = ConfigPatch::Kind::kCloud;
    if (const nlohmann::json* packages = config.Find("packages"); packages != nullptr) {
      if (packages->is_null()) {
        patch->cloud.packages = ReplacePackages(Packages());
      } else {
        ReadPackages(*packages, violations, &patch->cloud.packages);
      }
    }
    if (const nlohmann::json* networking = config.Find("networking"); networking != nullptr) {
      if (networking->is_null()) {
        patch->cloud.networking.kind = NetworkingPatch::Kind::kClear;
      } else {
        ReadNetworking(*networking, violations, &patch->cloud.networking);
      }
    }
  }
  if (!type.empty()) config.RefuseTheRest();
}

// All keys of one tenant are an organization's.
void ReadScope(ObjectReader* body, Violations* violations) {
  const Change<std::string> scope = body->String("scope");
  if (scope.sets() && scope.value() != "organization") {
    violations->Add("scope", "must be organization, or left out");
  }
}

void ReadCommon(ObjectReader* body, Violations* violations, EnvironmentPatch* patch) {
  patch->name = body->String("name");
  patch->description = body->String("description");
  if (const nlohmann::json* config = body->Find("config"); config != nullptr) {
    if (config->is_null()) {
      patch->config.kind = ConfigPatch::Kind::kClear;
    } else {
      ReadConfig(*config, violations, &patch->config);
    }
  }
  ReadScope(body, violations);
}

}  // namespace

OrderedJson ToJson(const Environment& environment) {
  OrderedJson json = {{"id", environment.id.value()},
                      {"type", "environment"},
                      {"name", environment.name},
                      {"description", nullptr},
                      {"metadata", environment.metadata},
                      {"config", ToJson(environment.config)},
                      {"scope", "organization"},
                      {"created_at", ToRestTime(environment.created_at)},
                      {"updated_at", ToRestTime(environment.updated_at)},
                      {"archived_at", ToRestTime(environment.archived_at)}};
  if (environment.description.has_value()) json["description"] = *environment.description;
  return json;
}

absl::StatusOr<EnvironmentPatch> NewEnvironmentPatch(const nlohmann::json& body) {
  return ReadBody<EnvironmentPatch>(
      body, [](ObjectReader* reader, Violations* violations, EnvironmentPatch* patch) {
        ReadCommon(reader, violations, patch);
        patch->metadata = reader->NewMetadata();
      });
}

absl::StatusOr<EnvironmentPatch> UpdateEnvironmentPatch(const nlohmann::json& body) {
  return ReadBody<EnvironmentPatch>(
      body, [](ObjectReader* reader, Violations* violations, EnvironmentPatch* patch) {
        ReadCommon(reader, violations, patch);
        patch->metadata = reader->MergedMetadata(ObjectReader::Empty::kDelete);
      });
}

}  // namespace paddock
