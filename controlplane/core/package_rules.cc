#include "controlplane/core/package_rules.h"

#include "absl/strings/str_cat.h"
#include "common/utf8.h"
#include "controlplane/core/text_rules.h"

namespace paddock {
namespace {

// Longer ones are refused for their length.
constexpr size_t kMaxScannedBytes = 4 * kMaxPackageSpecCharacters;

// Whether any URL in `spec` has user information: an `@` in the authority that follows `//`.
bool HoldsCredentials(absl::string_view spec) {
  for (size_t at = spec.find("//"); at != absl::string_view::npos; at = spec.find("//", at)) {
    at += 2;
    const absl::string_view rest = spec.substr(at);
    const absl::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    if (authority.find('@') != absl::string_view::npos) return true;
  }
  return false;
}

bool HoldsWhiteSpace(absl::string_view text) {
  while (!text.empty()) {
    const auto code_point = ConsumeCodePoint(&text);
    if (!code_point.has_value()) return false;
    if (IsWhiteSpace(*code_point)) return true;
  }
  return false;
}

void CheckSpec(const std::string& field, absl::string_view manager, absl::string_view spec,
               Violations* violations) {
  if (spec.empty()) {
    violations->Add(field, "must not be empty");
  } else if (spec.size() <= kMaxScannedBytes && HoldsWhiteSpace(spec)) {
    violations->Add(field, "must not hold white space");
  } else if (spec.front() == '-') {
    violations->Add(field, "must not start with -");
  } else if (manager == "apt" && spec.back() == '-') {
    violations->Add(field, "must not end with -: apt would remove the package");
  } else if (manager == "apt" && (spec.front() == '.' || spec.front() == '/')) {
    violations->Add(field, "must be the name of a package, not a path");
  } else if (spec.size() <= kMaxScannedBytes && HoldsCredentials(spec)) {
    violations->Add(field, "must not be a URL with credentials");
  } else {
    CheckText(field, spec, 1, kMaxPackageSpecCharacters, Controls::kRefused, violations);
  }
}

}  // namespace

std::array<ManagerSpecs, 6> SpecsByManager(const Packages& packages) {
  return {{{"apt", &packages.apt},
           {"cargo", &packages.cargo},
           {"gem", &packages.gem},
           {"go", &packages.go},
           {"npm", &packages.npm},
           {"pip", &packages.pip}}};
}

void CheckPackages(absl::string_view field, const Packages& packages, Violations* violations) {
  const auto managers = SpecsByManager(packages);
  size_t count = 0;
  for (const ManagerSpecs& entry : managers) count += entry.specs->size();
  if (count > kMaxPackageSpecs) {
    violations->Add(std::string(field), absl::StrCat("must have at most ", kMaxPackageSpecs,
                                                     " packages in all, has ", count));
    return;
  }
  for (const auto& [manager, specs] : managers) {
    for (size_t i = 0; i < specs->size() && !violations->full(); ++i) {
      CheckSpec(absl::StrCat(field, ".", manager, "[", i, "]"), manager, (*specs)[i], violations);
    }
  }
}

}  // namespace paddock
