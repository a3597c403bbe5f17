// Times as the REST API writes them. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace paddock {

// RFC 3339 in UTC with microseconds: `2026-11-23T13:28:18.733140Z`.
std::string ToRestTime(absl::Time time);
// The same, or null.
nlohmann::ordered_json ToRestTime(const std::optional<absl::Time>& time);

// RFC 3339 with any offset; nullopt for anything else.
std::optional<absl::Time> FromRestTime(absl::string_view text);

}  // namespace paddock
