#include "nodeagent/image/registry_hosts.h"

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxHost = 253;
constexpr size_t kMaxLabel = 63;
// Of one file; nobody's managers name more.
constexpr size_t kMaxHosts = 256;

bool IsLabel(absl::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
         absl::string_view::npos;
}

}  // namespace

bool IsRegistryHost(absl::string_view host) {
  if (host.size() > kMaxHost) return false;
  absl::ConsumePrefix(&host, "*.");
  const std::vector<absl::string_view> labels = absl::StrSplit(host, '.');
  for (absl::string_view label : labels) {
    if (!IsLabel(label)) return false;
  }
  // A last label of digits makes an address of it.
  return labels.back().find_first_not_of("0123456789") != absl::string_view::npos;
}

std::vector<std::string> ParseRegistries(absl::string_view text) {
  const nlohmann::json managers =
      nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!managers.is_object()) return {};
  std::set<std::string> hosts;
  for (const nlohmann::json& list : managers) {
    if (!list.is_array()) continue;
    for (const nlohmann::json& item : list) {
      if (!item.is_string() || hosts.size() >= kMaxHosts) continue;
      const std::string host = absl::AsciiStrToLower(item.get<std::string>());
      if (IsRegistryHost(host)) hosts.insert(host);
    }
  }
  return {hosts.begin(), hosts.end()};
}

absl::StatusOr<std::vector<std::string>> CheckRegistryHosts(const std::vector<std::string>& hosts) {
  std::set<std::string> result;
  for (const std::string& item : hosts) {
    const std::string host = absl::AsciiStrToLower(absl::StripAsciiWhitespace(item));
    if (host.empty()) continue;
    if (!IsRegistryHost(host)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", item, "\" is no host name"));
    }
    result.insert(host);
  }
  return std::vector<std::string>(result.begin(), result.end());
}

}  // namespace paddock::nodeagent
