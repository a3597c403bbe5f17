// Names of places in a request's JSON, as messages show them: `config.packages.pip[3]`. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace paddock {

// Members whose names aren't plain words are quoted: `metadata["a b"]`.
std::string MemberPath(absl::string_view object, absl::string_view member);
std::string ItemPath(absl::string_view list, size_t index);

// The path itself, or `the body` for the root.
std::string DescribePath(absl::string_view path);

}  // namespace paddock
