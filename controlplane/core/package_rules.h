#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/violations.h"

namespace paddock {

inline constexpr size_t kMaxPackageSpecs = 500;
inline constexpr size_t kMaxPackageSpecCharacters = 256;

// One package manager's name and its list, in the order in which managers run.
struct ManagerSpecs {
  absl::string_view manager;
  const std::vector<std::string>* specs;
};
std::array<ManagerSpecs, 6> SpecsByManager(const Packages& packages);

// At most 500 specs in all, 256 characters each. A spec becomes one argument of its manager: it
// isn't empty, doesn't start with `-` (it would be an option), holds no white space, no control
// character and no URL with user information (it would be stored and shown). Violations name
// manager and index: `<field>.pip[3]`.
void CheckPackages(absl::string_view field, const Packages& packages, Violations* violations);

}  // namespace paddock
