#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "controlplane/core/violations.h"
#include "nlohmann/json.hpp"

namespace paddock {

// Checks a JSON value that is stored and answered without being understood: every string and key is
// valid UTF-8 without NUL, every number finite, at most 32 levels deep. The first fault becomes
// a violation of `field`. Pure.
void CheckOpaqueJson(absl::string_view field, const nlohmann::json& value, Violations* violations);

// About as many bytes as `value` has when it is written; costs no memory.
size_t ApproximateSize(const nlohmann::json& value);

}  // namespace paddock
