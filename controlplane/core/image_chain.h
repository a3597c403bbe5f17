// The layers that an image is made of, and their names. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "controlplane/core/resources.h"

namespace paddock {

// What of a node goes into the layers that it builds.
struct BuildProfile {
  std::string base_image;  // Content digest.
  std::string platform;    // Such as linux/amd64.
  std::string builder_version;
  std::string ca_bundle;              // Digest of the extra CA certificates; empty: none.
  std::vector<std::string> managers;  // That the base image has.
};

// As the node said when it registered; nullopt for a node that builds nothing.
std::optional<BuildProfile> ProfileOf(const Node& node);

// One layer of an image.
struct ImageStep {
  std::string manager;
  bool toolchain = false;          // The manager itself is installed.
  std::vector<std::string> specs;  // Sorted, without duplicates; empty for a toolchain.
  int64_t refresh_epoch = 0;       // 0 for a toolchain: environments share it.
};

// The steps for `packages` on a base image with that profile, first to last: the managers that it
// lacks, so that all environments share them, then the packages; both in alphabetical order.
std::vector<ImageStep> StepsOf(const Packages& packages, const BuildProfile& profile,
                               int64_t refresh_epoch);

// Names what one step makes of its parent (content digest of the layer below, or the base image).
// The network is no part of it.
std::string CacheKey(const BuildProfile& profile, absl::string_view parent, const ImageStep& step);

// The key to use instead of `cache_key` where the layer that has it was built with hosts that this
// policy doesn't allow.
std::string RestrictedCacheKey(absl::string_view cache_key, const NetworkPolicy& policy);

// Whether a session or build under `policy` may reach each of `hosts`, which are no registries.
bool AllowsHosts(const NetworkPolicy& policy, const std::vector<std::string>& hosts);

// The hosts of the URLs in `specs`, in lower case: what their build reaches whatever its node has
// seen of it.
std::vector<std::string> HostsNamedBy(const std::vector<std::string>& specs);

// What the builds of an environment may reach: what its sessions may, and the registries.
NetworkPolicy BuildPolicyOf(const EnvironmentConfig& config);

}  // namespace paddock
