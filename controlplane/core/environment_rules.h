#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controlplane/core/resources.h"

namespace paddock {

// Checks a whole environment, as it is after a create or an update, and brings it into its
// canonical form (hosts as A-labels without duplicates). INVALID_ARGUMENT with every violation:
// name, description, metadata, and of a cloud config packages, hosts, and that limited networking
// with packages allows package managers. Pure; the canonical form passes unchanged.
absl::Status CanonicalizeEnvironment(Environment* environment);

// What its sessions start from right after `packages` were set: READY without packages (the node's
// base image), else PENDING; PENDING for a moment, too, when sessions may wait for `before`. The
// next generation of `before`; versions that were looked up for it hold on.
EnvironmentImage NextImage(const Packages& packages, const EnvironmentImage& before);

// "cloud" or "self_hosted".
absl::string_view ConfigTypeName(const EnvironmentConfig& config);

}  // namespace paddock
