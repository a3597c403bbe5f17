// Updates of environments: from request and mask to a patch.
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/api/environment_convert.h"
#include "controlplane/api/request_convert.h"

namespace paddock {
namespace {

using Strings = Change<std::vector<std::string>>;
using ConfigKind = ConfigPatch::Kind;
using NetworkingKind = NetworkingPatch::Kind;

// --- Without a mask: what is set.

Strings SetUnlessEmpty(const ProtoStrings& strings) {
  return strings.empty() ? Strings() : Strings::Set(FromProtoStrings(strings));
}

NetworkingPatch WhatIsSet(const v1::Networking& networking) {
  NetworkingPatch patch;
  if (networking.has_unrestricted()) patch.kind = NetworkingKind::kUnrestricted;
  if (!networking.has_limited()) return patch;
  const v1::LimitedNetwork& limited = networking.limited();
  patch.kind = NetworkingKind::kLimited;
  patch.limited.allowed_hosts = SetUnlessEmpty(limited.allowed_hosts());
  if (limited.has_allow_mcp_servers()) {
    patch.limited.allow_mcp_servers = Change<bool>::Set(limited.allow_mcp_servers());
  }
  if (limited.has_allow_package_managers()) {
    patch.limited.allow_package_managers = Change<bool>::Set(limited.allow_package_managers());
  }
  return patch;
}

ConfigPatch WhatIsSet(const v1::EnvironmentConfig& config) {
  ConfigPatch patch;
  if (config.has_self_hosted()) patch.kind = ConfigKind::kSelfHosted;
  if (!config.has_cloud()) return patch;
  patch.kind = ConfigKind::kCloud;
  const v1::Packages& packages = config.cloud().packages();
  patch.cloud.packages.apt = SetUnlessEmpty(packages.apt());
  patch.cloud.packages.cargo = SetUnlessEmpty(packages.cargo());
  patch.cloud.packages.gem = SetUnlessEmpty(packages.gem());
  patch.cloud.packages.go = SetUnlessEmpty(packages.go());
  patch.cloud.packages.npm = SetUnlessEmpty(packages.npm());
  patch.cloud.packages.pip = SetUnlessEmpty(packages.pip());
  patch.cloud.networking = WhatIsSet(config.cloud().networking());
  return patch;
}

EnvironmentPatch WhatIsSet(const v1::UpdateEnvironmentRequest& request) {
  EnvironmentPatch patch;
  if (request.has_name()) patch.name = Change<std::string>::Set(request.name());
  if (request.has_description()) {
    patch.description = Change<std::string>::Set(request.description());
  }
  patch.metadata = MergeMetadata(request.metadata());
  patch.config = WhatIsSet(request.config());
  return patch;
}

// --- With a mask: exactly what is named. Lists that are named are set, empty ones too.

Strings Set(const ProtoStrings& strings) { return Strings::Set(FromProtoStrings(strings)); }

Change<std::string> SetOrClear(bool present, const std::string& value) {
  return present ? Change<std::string>::Set(value) : Change<std::string>::Clear();
}

Change<bool> SetOrClear(bool present, bool value) {
  return present ? Change<bool>::Set(value) : Change<bool>::Clear();
}

void SetPackages(const v1::Packages& packages, PackagesPatch* patch) {
  patch->apt = Set(packages.apt());
  patch->cargo = Set(packages.cargo());
  patch->gem = Set(packages.gem());
  patch->go = Set(packages.go());
  patch->npm = Set(packages.npm());
  patch->pip = Set(packages.pip());
}

void SetLimited(const v1::LimitedNetwork& limited, LimitedPatch* patch) {
  patch->allowed_hosts = Set(limited.allowed_hosts());
  patch->allow_mcp_servers =
      SetOrClear(limited.has_allow_mcp_servers(), limited.allow_mcp_servers());
  patch->allow_package_managers =
      SetOrClear(limited.has_allow_package_managers(), limited.allow_package_managers());
}

void SetNetworking(const v1::Networking& networking, NetworkingPatch* patch) {
  patch->kind = NetworkingKind::kClear;
  if (networking.has_unrestricted()) patch->kind = NetworkingKind::kUnrestricted;
  if (!networking.has_limited()) return;
  patch->kind = NetworkingKind::kLimited;
  SetLimited(networking.limited(), &patch->limited);
}

void SetCloud(const v1::CloudConfig& cloud, CloudPatch* patch) {
  SetPackages(cloud.packages(), &patch->packages);
  SetNetworking(cloud.networking(), &patch->networking);
}

void SetConfig(const v1::EnvironmentConfig& config, ConfigPatch* patch) {
  patch->kind = ConfigKind::kClear;
  if (config.has_self_hosted()) patch->kind = ConfigKind::kSelfHosted;
  if (!config.has_cloud()) return;
  patch->kind = ConfigKind::kCloud;
  SetCloud(config.cloud(), &patch->cloud);
}

using Request = v1::UpdateEnvironmentRequest;
using Apply = std::function<void(const Request&, EnvironmentPatch*)>;

// Applies to the packages of a cloud config.
template <typename Function>
Apply ToPackages(Function function) {
  return [function](const Request& request, EnvironmentPatch* patch) {
    patch->config.kind = ConfigKind::kCloud;
    function(request.config().cloud().packages(), &patch->config.cloud.packages);
  };
}

// Applies to a limited network.
template <typename Function>
Apply ToLimited(Function function) {
  return [function](const Request& request, EnvironmentPatch* patch) {
    patch->config.kind = ConfigKind::kCloud;
    patch->config.cloud.networking.kind = NetworkingKind::kLimited;
    function(request.config().cloud().networking().limited(),
             &patch->config.cloud.networking.limited);
  };
}

const std::map<absl::string_view, Apply>& Paths() {
  static const auto* const paths = new std::map<absl::string_view, Apply>{
      {"name",
       [](const Request& request, EnvironmentPatch* patch) {
         patch->name = SetOrClear(request.has_name(), request.name());
       }},
      {"description",
       [](const Request& request, EnvironmentPatch* patch) {
         patch->description = SetOrClear(request.has_description(), request.description());
       }},
      {"metadata",
       [](const Request& request, EnvironmentPatch* patch) {
         patch->metadata = ReplaceMetadata(request.metadata());
       }},
      {"config", [](const Request& request,
                    EnvironmentPatch* patch) { SetConfig(request.config(), &patch->config); }},
      {"config.self_hosted",
       [](const Request&, EnvironmentPatch* patch) {
         patch->config.kind = ConfigKind::kSelfHosted;
       }},
      {"config.cloud",
       [](const Request& request, EnvironmentPatch* patch) {
         patch->config.kind = ConfigKind::kCloud;
         SetCloud(request.config().cloud(), &patch->config.cloud);
       }},
      {"config.cloud.packages", ToPackages(SetPackages)},
      {"config.cloud.packages.apt",
       ToPackages([](const v1::Packages& p, PackagesPatch* to) { to->apt = Set(p.apt()); })},
      {"config.cloud.packages.cargo",
       ToPackages([](const v1::Packages& p, PackagesPatch* to) { to->cargo = Set(p.cargo()); })},
      {"config.cloud.packages.gem",
       ToPackages([](const v1::Packages& p, PackagesPatch* to) { to->gem = Set(p.gem()); })},
      {"config.cloud.packages.go",
       ToPackages([](const v1::Packages& p, PackagesPatch* to) { to->go = Set(p.go()); })},
      {"config.cloud.packages.npm",
       ToPackages([](const v1::Packages& p, PackagesPatch* to) { to->npm = Set(p.npm()); })},
      {"config.cloud.packages.pip",
       ToPackages([](const v1::Packages& p, PackagesPatch* to) { to->pip = Set(p.pip()); })},
      {"config.cloud.networking",
       [](const Request& request, EnvironmentPatch* patch) {
         patch->config.kind = ConfigKind::kCloud;
         SetNetworking(request.config().cloud().networking(), &patch->config.cloud.networking);
       }},
      {"config.cloud.networking.unrestricted",
       [](const Request&, EnvironmentPatch* patch) {
         patch->config.kind = ConfigKind::kCloud;
         patch->config.cloud.networking.kind = NetworkingKind::kUnrestricted;
       }},
      {"config.cloud.networking.limited", ToLimited(SetLimited)},
      {"config.cloud.networking.limited.allowed_hosts",
       ToLimited([](const v1::LimitedNetwork& limited, LimitedPatch* to) {
         to->allowed_hosts = Set(limited.allowed_hosts());
       })},
      {"config.cloud.networking.limited.allow_mcp_servers",
       ToLimited([](const v1::LimitedNetwork& limited, LimitedPatch* to) {
         to->allow_mcp_servers =
             SetOrClear(limited.has_allow_mcp_servers(), limited.allow_mcp_servers());
       })},
      {"config.cloud.networking.limited.allow_package_managers",
       ToLimited([](const v1::LimitedNetwork& limited, LimitedPatch* to) {
         to->allow_package_managers =
             SetOrClear(limited.has_allow_package_managers(), limited.allow_package_managers());
       })},
  };
  return *paths;
}

// Which alternative of each oneof the paths name.
struct Named {
  bool cloud = false;
  bool self_hosted = false;
  bool unrestricted = false;
  bool limited = false;
};

absl::Status CheckAlternatives(const std::set<std::string>& mask) {
  Named named;
  for (const std::string& path : mask) {
    named.cloud |= absl::StartsWith(path, "config.cloud");
    named.self_hosted |= path == "config.self_hosted";
    named.unrestricted |= path == "config.cloud.networking.unrestricted";
    named.limited |= absl::StartsWith(path, "config.cloud.networking.limited");
  }
  if (named.cloud && named.self_hosted) {
    return errors::InvalidField("update_mask", "names both config.cloud and config.self_hosted");
  }
  if (named.unrestricted && named.limited) {
    return errors::InvalidField("update_mask", "names both unrestricted and limited networking");
  }
  return absl::OkStatus();
}

std::set<absl::string_view> KnownPaths() {
  std::set<absl::string_view> known;
  for (const auto& entry : Paths()) known.insert(entry.first);
  return known;
}

}  // namespace

EnvironmentPatch PatchOf(const v1::CreateEnvironmentRequest& request) {
  EnvironmentPatch patch;
  patch.name = Change<std::string>::Set(request.name());
  if (!request.description().empty()) {
    patch.description = Change<std::string>::Set(request.description());
  }
  patch.metadata = SetMetadata(FromProtoMap(request.metadata()));
  patch.config = WhatIsSet(request.config());
  return patch;
}

absl::StatusOr<EnvironmentPatch> PatchOf(const v1::UpdateEnvironmentRequest& request) {
  if (!request.has_update_mask()) return WhatIsSet(request);
  PADDOCK_ASSIGN_OR_RETURN(const std::set<std::string> mask,
                           ReadMask(request.update_mask(), KnownPaths()));
  PADDOCK_RETURN_IF_ERROR(CheckAlternatives(mask));
  EnvironmentPatch patch;
  for (const std::string& path : mask) Paths().at(path)(request, &patch);
  return patch;
}

}  // namespace paddock
