#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace paddock {

// Decodes the code point at the front of `*text` and removes it. nullopt, and nothing removed, when
// the bytes there aren't valid UTF-8 (overlong forms, surrogates and values above U+10FFFF
// included) or `*text` is empty.
std::optional<uint32_t> ConsumeCodePoint(absl::string_view* text);

// The number of code points, or nullopt when `text` isn't valid UTF-8.
std::optional<size_t> CountCodePoints(absl::string_view text);

// A C0 or C1 control character, or DEL.
bool IsControl(uint32_t code_point);

// White space as Unicode defines it (property White_Space).
bool IsWhiteSpace(uint32_t code_point);

// `text` in double quotes for a message: at most `max_code_points` of it (then `…`), control
// characters and quotes escaped, bytes that aren't UTF-8 replaced by U+FFFD.
std::string Quote(absl::string_view text, size_t max_code_points = 100);

}  // namespace paddock
