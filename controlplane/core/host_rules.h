#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controlplane/core/violations.h"

namespace paddock {

inline constexpr size_t kMaxAllowedHosts = 256;

// The canonical form of one entry of `allowed_hosts`: a bare host or `*.` and a host, in lower-case
// A-labels (IDNA 2008 with the mapping of UTS 46, non-transitional). INVALID_ARGUMENT, with only
// the rule as its message, for anything else: scheme, port, path, credentials, IP literal in any
// notation, bare `*`, `*` elsewhere than as the whole first label, wildcard on a public suffix,
// empty label (so no trailing dot), label not of 1-63 letters, digits and inner hyphens, more than
// 253 characters. A host of a single label is fine. The canonical form is its own canonical form.
absl::StatusOr<std::string> CanonicalHost(absl::string_view host);

// Replaces each entry of `hosts` by its canonical form and drops later duplicates of an entry; the
// order is kept. Violations name `<field>[i]` with the index as it was given.
void CanonicalizeHosts(absl::string_view field, std::vector<std::string>* hosts,
                       Violations* violations);

}  // namespace paddock
