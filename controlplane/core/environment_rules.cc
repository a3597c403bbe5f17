#include "controlplane/core/environment_rules.h"

#include <variant>

#include "controlplane/core/host_rules.h"
#include "controlplane/core/package_rules.h"
#include "controlplane/core/text_rules.h"
#include "controlplane/core/violations.h"

namespace paddock {
namespace {

void CanonicalizeCloud(CloudConfig* cloud, Violations* violations) {
  CheckPackages("config.cloud.packages", cloud->packages, violations);
  auto* limited = std::get_if<LimitedNetwork>(&cloud->networking);
  if (limited == nullptr) return;
  CanonicalizeHosts("config.cloud.networking.limited.allowed_hosts", &limited->allowed_hosts,
                    violations);
  if (!cloud->packages.empty() && !limited->allow_package_managers) {
    violations->Add("config.cloud.networking.limited.allow_package_managers",
                    "must be true while config.cloud.packages has packages");
  }
}

}  // namespace

absl::Status CanonicalizeEnvironment(Environment* environment) {
  Violations violations;
  CheckName("name", environment->name, &violations);
  if (environment->description.has_value()) {
    CheckDescription(*environment->description, &violations);
  }
  CheckMetadata(environment->metadata, &violations);
  if (auto* cloud = std::get_if<CloudConfig>(&environment->config)) {
    CanonicalizeCloud(cloud, &violations);
  }
  return violations.ToStatus();
}

EnvironmentImage NextImage(const Packages& packages, const EnvironmentImage& before) {
  EnvironmentImage image;
  image.generation = before.generation + 1;
  image.refresh_epoch = before.refresh_epoch;
  const bool ready = packages.empty() && !IsUnsettled(before);
  image.state = ready ? ImageState::kReady : ImageState::kPending;
  return image;
}

absl::string_view ConfigTypeName(const EnvironmentConfig& config) {
  return std::holds_alternative<CloudConfig>(config) ? "cloud" : "self_hosted";
}

}  // namespace paddock
