#include "controlplane/core/environment_patch.h"

#include <variant>

#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/core/environment_rules.h"
#include "controlplane/core/host_rules.h"
#include "controlplane/core/package_rules.h"

namespace paddock {
namespace {

void ApplyPackages(const PackagesPatch& patch, Packages* packages) {
  patch.apt.ApplyTo(&packages->apt);
  patch.cargo.ApplyTo(&packages->cargo);
  patch.gem.ApplyTo(&packages->gem);
  patch.go.ApplyTo(&packages->go);
  patch.npm.ApplyTo(&packages->npm);
  patch.pip.ApplyTo(&packages->pip);
}

LimitedNetwork ApplyLimited(const LimitedPatch& patch, const Networking& current) {
  const auto* stored = std::get_if<LimitedNetwork>(&current);
  LimitedNetwork limited = stored == nullptr ? LimitedNetwork{} : *stored;
  patch.allowed_hosts.ApplyTo(&limited.allowed_hosts);
  patch.allow_mcp_servers.ApplyTo(&limited.allow_mcp_servers);
  patch.allow_package_managers.ApplyTo(&limited.allow_package_managers);
  return limited;
}

Networking ApplyNetworking(const NetworkingPatch& patch, const Networking& current) {
  switch (patch.kind) {
    case NetworkingPatch::Kind::kKeep:
      return current;
    case NetworkingPatch::Kind::kClear:
    case NetworkingPatch::Kind::kUnrestricted:
      return UnrestrictedNetwork{};
    case NetworkingPatch::Kind::kLimited:
      return ApplyLimited(patch.limited, current);
  }
  return current;
}

absl::StatusOr<EnvironmentConfig> ApplyCloud(const CloudPatch& patch,
                                             const EnvironmentConfig& current) {
  const auto* stored = std::get_if<CloudConfig>(&current);
  if (stored == nullptr) return errors::InvalidConfigTypeChange(ConfigTypeName(current), "cloud");
  CloudConfig cloud = *stored;
  ApplyPackages(patch.packages, &cloud.packages);
  cloud.networking = ApplyNetworking(patch.networking, stored->networking);
  return cloud;
}

absl::StatusOr<EnvironmentConfig> ApplyConfig(const ConfigPatch& patch,
                                              const EnvironmentConfig& current) {
  const bool is_cloud = std::holds_alternative<CloudConfig>(current);
  switch (patch.kind) {
    case ConfigPatch::Kind::kKeep:
      return current;
    case ConfigPatch::Kind::kClear:
      return is_cloud ? EnvironmentConfig(CloudConfig{}) : EnvironmentConfig(SelfHostedConfig{});
    case ConfigPatch::Kind::kCloud:
      return ApplyCloud(patch.cloud, current);
    case ConfigPatch::Kind::kSelfHosted:
      if (is_cloud) return errors::InvalidConfigTypeChange("cloud", "self_hosted");
      return current;
  }
  return current;
}

const Packages& PackagesOf(const EnvironmentConfig& config) {
  static const Packages* const none = new Packages;
  const auto* cloud = std::get_if<CloudConfig>(&config);
  return cloud == nullptr ? *none : cloud->packages;
}

template <typename T>
Change<T> Replace(const T& value) {
  return Change<T>::Set(value);
}

}  // namespace

PackagesPatch ReplacePackages(const Packages& packages) {
  return {Replace(packages.apt), Replace(packages.cargo), Replace(packages.gem),
          Replace(packages.go),  Replace(packages.npm),   Replace(packages.pip)};
}

NetworkingPatch ReplaceNetworking(const Networking& networking) {
  NetworkingPatch patch;
  const auto* limited = std::get_if<LimitedNetwork>(&networking);
  if (limited == nullptr) {
    patch.kind = NetworkingPatch::Kind::kUnrestricted;
    return patch;
  }
  patch.kind = NetworkingPatch::Kind::kLimited;
  patch.limited = {Replace(limited->allowed_hosts), Replace(limited->allow_mcp_servers),
                   Replace(limited->allow_package_managers)};
  return patch;
}

ConfigPatch ReplaceConfig(const EnvironmentConfig& config) {
  ConfigPatch patch;
  const auto* cloud = std::get_if<CloudConfig>(&config);
  if (cloud == nullptr) {
    patch.kind = ConfigPatch::Kind::kSelfHosted;
    return patch;
  }
  patch.kind = ConfigPatch::Kind::kCloud;
  patch.cloud = {ReplacePackages(cloud->packages), ReplaceNetworking(cloud->networking)};
  return patch;
}

absl::Status CheckEnvironmentPatch(const EnvironmentPatch& patch) {
  Violations violations;
  if (patch.name.clears()) violations.Add("name", "can't be cleared");
  CheckMetadataPatch(patch.metadata, &violations);
  PADDOCK_RETURN_IF_ERROR(violations.ToStatus());
  // What is given must be fine by itself; a permission or a name that is kept is judged later.
  Environment given;
  given.name = patch.name.sets() ? patch.name.value() : "kept";
  patch.description.ApplyTo(&given.description);
  if (patch.config.kind == ConfigPatch::Kind::kCloud) {
    PADDOCK_ASSIGN_OR_RETURN(given.config, ApplyCloud(patch.config.cloud, CloudConfig{}));
    auto* limited = std::get_if<LimitedNetwork>(&std::get<CloudConfig>(given.config).networking);
    if (limited != nullptr &&
        !patch.config.cloud.networking.limited.allow_package_managers.sets()) {
      limited->allow_package_managers = true;
    }
  }
  return CanonicalizeEnvironment(&given);
}

absl::StatusOr<Environment> ApplyEnvironmentPatch(const EnvironmentPatch& patch,
                                                  const Environment& current) {
  if (patch.name.clears()) return errors::InvalidField("name", "can't be cleared");
  Environment result = current;
  patch.name.ApplyTo(&result.name);
  patch.description.ApplyTo(&result.description);
  result.metadata = ApplyMetadataPatch(patch.metadata, current.metadata);
  PADDOCK_ASSIGN_OR_RETURN(result.config, ApplyConfig(patch.config, current.config));
  PADDOCK_RETURN_IF_ERROR(CanonicalizeEnvironment(&result));
  if (!(PackagesOf(result.config) == PackagesOf(current.config))) {
    result.image = NextImage(PackagesOf(result.config), current.image);
  }
  return result;
}

absl::StatusOr<Environment> NewEnvironment(const EnvironmentPatch& patch) {
  Environment defaults;
  if (patch.config.kind == ConfigPatch::Kind::kSelfHosted) defaults.config = SelfHostedConfig{};
  EnvironmentPatch on_defaults = patch;
  // A create stores what it gives; only an update reads an empty value as a deletion.
  on_defaults.metadata.replace = true;
  if (patch.name.clears()) on_defaults.name = Change<std::string>();
  return ApplyEnvironmentPatch(on_defaults, defaults);
}

bool SameContent(const Environment& a, const Environment& b) {
  return a.name == b.name && a.description == b.description && a.metadata == b.metadata &&
         a.config == b.config;
}

}  // namespace paddock
