#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock {

// What of an http or https URL decides where it leads.
struct HttpUrl {
  std::string scheme;  // "http" or "https".
  std::string host;    // Canonical (CanonicalHost), or an IP literal as written, lower-case.
  int port = 0;        // The scheme's own when the URL names none.
};

// INVALID_ARGUMENT, with only the rule as its message, unless `url` is an absolute http or https
// URL of at most 2,048 characters with a host, without user information, white space and control
// characters. Path, query and fragment are not looked at. Pure.
absl::StatusOr<HttpUrl> ParseHttpUrl(absl::string_view url);

}  // namespace paddock
