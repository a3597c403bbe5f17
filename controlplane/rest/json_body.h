#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace paddock {

inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonValues = 200'000;

// The JSON value that a request's body is. Pure; costs time and memory in proportion to `body`.
// INVALID_ARGUMENT, saying what and where: no JSON, invalid UTF-8, more than kMaxJsonDepth levels,
// more than kMaxJsonValues values, a key twice in one object (its path is named).
absl::StatusOr<nlohmann::json> ParseJsonBody(absl::string_view body);

}  // namespace paddock
