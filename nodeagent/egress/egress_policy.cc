#include "nodeagent/egress/egress_policy.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxName = 253;
constexpr size_t kMaxLabel = 63;

bool IsLabel(absl::string_view label) {
  return !label.empty() && label.size() <= kMaxLabel &&
         std::all_of(label.begin(), label.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_';
         });
}

}  // namespace

std::string NormalizeName(absl::string_view name) {
  absl::ConsumeSuffix(&name, ".");
  return absl::AsciiStrToLower(name);
}

bool IsHostName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  for (absl::string_view label : absl::StrSplit(name, '.')) {
    if (!IsLabel(label)) return false;
  }
  return true;
}

absl::StatusOr<EgressPolicy> EgressPolicy::Create(const NetworkPolicy& policy) {
  EgressPolicy result;
  for (const std::string& host : policy.hosts) {
    absl::string_view name = host;
    bool wildcard = absl::ConsumePrefix(&name, "*.");
    std::string normalized = NormalizeName(name);
    if (!IsHostName(normalized)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", host, "\" is not a host"));
    }
    (wildcard ? result.parents_ : result.hosts_).insert(std::move(normalized));
  }
  for (const HostPort& host_port : policy.host_ports) {
    std::string normalized = NormalizeName(host_port.host);
    if (!IsHostName(normalized) || host_port.port < 1 || host_port.port > 65535) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", host_port.host, "\", port ", host_port.port, " is not a host's port"));
    }
    result.ports_[normalized].push_back(host_port.port);
  }
  return result;
}

bool EgressPolicy::AllowsEveryPort(absl::string_view name) const {
  if (hosts_.contains(name)) return true;
  for (size_t dot = name.find('.'); dot != absl::string_view::npos; dot = name.find('.', dot + 1)) {
    if (parents_.contains(name.substr(dot + 1))) return true;
  }
  return false;
}

bool EgressPolicy::AllowsName(absl::string_view name) const {
  return IsHostName(name) && (AllowsEveryPort(name) || ports_.contains(name));
}

bool EgressPolicy::Allows(absl::string_view name, int port) const {
  if (!IsHostName(name)) return false;
  if (AllowsEveryPort(name)) return true;
  auto ports = ports_.find(name);
  return ports != ports_.end() && std::count(ports->second.begin(), ports->second.end(), port) > 0;
}

}  // namespace paddock::nodeagent
