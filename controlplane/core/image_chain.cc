#include "controlplane/core/image_chain.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "controlplane/core/idempotency.h"
#include "controlplane/core/network_policy.h"
#include "controlplane/core/package_rules.h"

namespace paddock {
namespace {

// Length-prefixed, so that no two lists of fields give the same text.
void AppendField(absl::string_view value, std::string* text) {
  absl::StrAppend(text, value.size(), ":", value, ",");
}

std::string Hash(const std::string& text) { return absl::StrCat("sha256:", Sha256Hex(text)); }

std::string Detail(const Node& node, const char* name) {
  const auto found = node.details.find(name);
  return found == node.details.end() ? "" : found->second;
}

bool Matches(absl::string_view pattern, absl::string_view host) {
  if (!absl::ConsumePrefix(&pattern, "*.")) return pattern == host;
  return absl::ConsumeSuffix(&host, pattern) && host.size() > 1 && host.back() == '.';
}

}  // namespace

std::optional<BuildProfile> ProfileOf(const Node& node) {
  BuildProfile profile;
  profile.base_image = node.base_image;
  profile.platform = Detail(node, "platform");
  profile.builder_version = Detail(node, "builder_version");
  profile.ca_bundle = Detail(node, "ca_bundle");
  profile.managers = absl::StrSplit(Detail(node, "managers"), ',', absl::SkipWhitespace());
  for (std::string& manager : profile.managers) absl::StripAsciiWhitespace(&manager);
  if (profile.base_image.empty() || profile.managers.empty()) return std::nullopt;
  return profile;
}

std::vector<ImageStep> StepsOf(const Packages& packages, const BuildProfile& profile,
                               int64_t refresh_epoch) {
  std::vector<ImageStep> toolchains;
  std::vector<ImageStep> installs;
  for (const auto& [manager, specs] : SpecsByManager(packages)) {
    if (specs->empty()) continue;
    const std::vector<std::string>& present = profile.managers;
    if (std::find(present.begin(), present.end(), manager) == present.end()) {
      toolchains.push_back({std::string(manager), true, {}, 0});
    }
    ImageStep step{std::string(manager), false, *specs, refresh_epoch};
    std::sort(step.specs.begin(), step.specs.end());
    step.specs.erase(std::unique(step.specs.begin(), step.specs.end()), step.specs.end());
    installs.push_back(std::move(step));
  }
  toolchains.insert(toolchains.end(), std::make_move_iterator(installs.begin()),
                    std::make_move_iterator(installs.end()));
  return toolchains;
}

std::string CacheKey(const BuildProfile& profile, absl::string_view parent, const ImageStep& step) {
  std::string text;
  for (absl::string_view field :
       {parent, absl::string_view(profile.platform), absl::string_view(step.manager),
        absl::string_view(step.toolchain ? "toolchain" : "packages"),
        absl::string_view(profile.builder_version), absl::string_view(profile.ca_bundle)}) {
    AppendField(field, &text);
  }
  AppendField(absl::StrCat(step.refresh_epoch), &text);
  for (const std::string& spec : step.specs) AppendField(spec, &text);
  return Hash(text);
}

std::string RestrictedCacheKey(absl::string_view cache_key, const NetworkPolicy& policy) {
  std::vector<std::string> hosts = policy.hosts;
  std::sort(hosts.begin(), hosts.end());
  std::string text;
  AppendField(cache_key, &text);
  for (const std::string& host : hosts) AppendField(host, &text);
  return Hash(text);
}

bool AllowsHosts(const NetworkPolicy& policy, const std::vector<std::string>& hosts) {
  if (!policy.limited) return true;
  return std::all_of(hosts.begin(), hosts.end(), [&policy](const std::string& host) {
    return std::any_of(policy.hosts.begin(), policy.hosts.end(),
                       [&host](const std::string& pattern) { return Matches(pattern, host); });
  });
}

std::vector<std::string> HostsNamedBy(const std::vector<std::string>& specs) {
  std::vector<std::string> hosts;
  for (const std::string& spec : specs) {
    for (size_t at = spec.find("://"); at != std::string::npos; at = spec.find("://", at)) {
      at += 3;
      std::string host = absl::AsciiStrToLower(
          absl::string_view(spec).substr(at, spec.find_first_of("/?#:", at) - at));
      if (host.empty()) continue;
      if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) {
        hosts.push_back(std::move(host));
      }
    }
  }
  return hosts;
}

NetworkPolicy BuildPolicyOf(const EnvironmentConfig& config) {
  NetworkPolicy policy = NetworkPolicyOf(config, std::nullopt);
  policy.allow_package_managers = policy.limited;
  return policy;
}

}  // namespace paddock
