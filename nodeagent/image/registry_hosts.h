#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Where a root file system says which hosts its package managers fetch from, as its own managers
// named them when it was made: {"<manager>": ["<host>", …], …}. Below the root.
inline constexpr absl::string_view kRegistriesFile = "usr/share/paddock/registries.json";

// Whether `host` can stand in a network policy: a lower-case name of 1-63 letters, digits and
// hyphens a label, `*.` allowed in front; no address, no port. Pure.
bool IsRegistryHost(absl::string_view host);

// The hosts of such a file, of all managers, sorted and without doubles. What isn't a host is left
// out; a text that isn't such a file has none, because whatever can't be read opens nothing. Pure.
std::vector<std::string> ParseRegistries(absl::string_view text);

// The same of a list that an operator wrote. INVALID_ARGUMENT naming what isn't a host. Pure.
absl::StatusOr<std::vector<std::string>> CheckRegistryHosts(const std::vector<std::string>& hosts);

}  // namespace paddock::nodeagent
