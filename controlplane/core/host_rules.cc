#include "controlplane/core/host_rules.h"

#include <idn2.h>
#include <libpsl.h>

#include <algorithm>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace paddock {
namespace {

constexpr size_t kMaxHostCharacters = 253;
constexpr size_t kMaxLabelCharacters = 63;
// Longer input can't map to 253 characters of A-labels.
constexpr size_t kMaxInputBytes = 4 * kMaxHostCharacters;

absl::Status Rule(absl::string_view rule) { return absl::InvalidArgumentError(rule); }

// What people write by mistake gets a rule of its own; the rest is left to the labels' check.
absl::Status CheckShape(absl::string_view host) {
  if (host.empty()) return Rule("must not be empty");
  if (host.size() > kMaxInputBytes) return Rule("must have at most 253 characters");
  if (!CountCodePoints(host).has_value()) return Rule("must be valid UTF-8");
  // A NUL would end the name early for the C libraries below.
  if (std::any_of(host.begin(), host.end(), absl::ascii_iscntrl)) {
    return Rule("must not hold control characters");
  }
  if (absl::StrContains(host, "://")) return Rule("must be a bare host, without a scheme");
  if (absl::StrContains(host, '@')) return Rule("must be a bare host, without credentials");
  if (host.find_first_of("/\\?#") != absl::string_view::npos) {
    return Rule("must be a bare host, without a path");
  }
  if (std::count(host.begin(), host.end(), ':') > 1 || absl::StrContains(host, '[')) {
    return Rule("must be a host name, not an IP address");
  }
  if (absl::StrContains(host, ':')) return Rule("must be a bare host, without a port");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ToALabels(absl::string_view name) {
  uint8_t* mapped = nullptr;
  const int flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL;
  const int error =
      idn2_lookup_u8(reinterpret_cast<const uint8_t*>(std::string(name).c_str()), &mapped, flags);
  std::unique_ptr<uint8_t, decltype(&idn2_free)> owner(mapped, &idn2_free);
  if (error != IDN2_OK) {
    return Rule(absl::StrCat("isn't a valid host name: ", idn2_strerror(error)));
  }
  return absl::AsciiStrToLower(reinterpret_cast<const char*>(mapped));
}

absl::Status CheckLabel(absl::string_view label) {
  if (label.empty()) return Rule("must not have an empty label (two dots, or one at an end)");
  if (label.size() > kMaxLabelCharacters) return Rule("each label must have 1 to 63 characters");
  for (char c : label) {
    if (!absl::ascii_isalnum(c) && c != '-') {
      return Rule("each label must consist of letters, digits and hyphens");
    }
  }
  if (label.front() == '-' || label.back() == '-') {
    return Rule("a label must not start or end with a hyphen");
  }
  return absl::OkStatus();
}

// Whether resolvers take a name with that last label for an IPv4 address (`1.2.3.4`, `127.1`,
// `0x7f000001`): the rule of the WHATWG URL standard, "ends in a number".
bool EndsInNumber(absl::string_view last_label) {
  if (std::all_of(last_label.begin(), last_label.end(), absl::ascii_isdigit)) return true;
  return absl::ConsumePrefix(&last_label, "0x") &&
         std::all_of(last_label.begin(), last_label.end(), absl::ascii_isxdigit);
}

bool IsPublicSuffix(const std::string& name) {
  // Made once and kept: the list can be read by all threads. Without any list every name counts as
  // a public suffix, so wildcards are refused.
  static const psl_ctx_t* const list = psl_latest(nullptr);
  return psl_is_public_suffix(list, name.c_str()) == 1;
}

}  // namespace

absl::StatusOr<std::string> CanonicalHost(absl::string_view host) {
  PADDOCK_RETURN_IF_ERROR(CheckShape(host));
  if (host == "*") return Rule("must not be a bare *; limited networking names its hosts");
  const bool wildcard = absl::ConsumePrefix(&host, "*.");
  if (absl::StrContains(host, '*')) {
    return Rule("* is allowed only as the whole first label, as in *.example.com");
  }
  // Before IDNA, because it takes no name with an empty label and would only say so vaguely.
  for (absl::string_view label : absl::StrSplit(host, '.')) {
    if (label.empty()) return CheckLabel(label);
  }
  PADDOCK_ASSIGN_OR_RETURN(const std::string name, ToALabels(host));
  if (name.size() > kMaxHostCharacters) return Rule("must have at most 253 characters");
  const std::vector<absl::string_view> labels = absl::StrSplit(name, '.');
  for (absl::string_view label : labels) PADDOCK_RETURN_IF_ERROR(CheckLabel(label));
  if (EndsInNumber(labels.back())) return Rule("must be a host name, not an IP address");
  if (wildcard && IsPublicSuffix(name)) {
    return Rule(
        absl::StrCat("*.", name, " covers a public suffix, under which anyone can register"));
  }
  return wildcard ? absl::StrCat("*.", name) : name;
}

void CanonicalizeHosts(absl::string_view field, std::vector<std::string>* hosts,
                       Violations* violations) {
  if (hosts->size() > kMaxAllowedHosts) {
    violations->Add(std::string(field), absl::StrCat("must have at most ", kMaxAllowedHosts,
                                                     " hosts, has ", hosts->size()));
    return;
  }
  std::vector<std::string> canonical;
  absl::flat_hash_set<std::string> seen;
  for (size_t i = 0; i < hosts->size() && !violations->full(); ++i) {
    absl::StatusOr<std::string> host = CanonicalHost((*hosts)[i]);
    if (!host.ok()) {
      violations->Add(absl::StrCat(field, "[", i, "]"), std::string(host.status().message()));
    } else if (seen.insert(*host).second) {
      canonical.push_back(*std::move(host));
    }
  }
  if (violations->empty()) *hosts = std::move(canonical);
}

}  // namespace paddock
