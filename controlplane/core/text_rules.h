#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/violations.h"

// Rules for texts. "Characters" are Unicode code points. Every text must be valid UTF-8 and hold no
// NUL (PostgreSQL can't store one). All are pure and cost at most a walk over 4 x the allowed size.
namespace paddock {

inline constexpr size_t kMaxNameCharacters = 256;
inline constexpr size_t kMaxDescriptionCharacters = 4096;
inline constexpr size_t kMaxTitleCharacters = 256;
inline constexpr size_t kMaxRequestIdCharacters = 128;
inline constexpr size_t kMaxMetadataPairs = 16;
inline constexpr size_t kMaxMetadataKeyCharacters = 64;
inline constexpr size_t kMaxMetadataValueCharacters = 512;

// Which characters a text may hold beside printable ones.
enum class Controls { kAllowed, kRefused };

// `minimum` to `maximum` characters.
void CheckText(absl::string_view field, absl::string_view text, size_t minimum, size_t maximum,
               Controls controls, Violations* violations);

// 1-256 characters of any script, no control characters, not only white space. Names are compared
// byte by byte: nothing is trimmed, folded or normalized.
void CheckName(absl::string_view field, absl::string_view name, Violations* violations);

// At most 4,096 characters; line breaks are fine.
void CheckDescription(absl::string_view description, Violations* violations);

// At most 256 characters, no control characters.
void CheckTitle(absl::string_view title, Violations* violations);

// At most 128 characters, no control characters; empty means none.
void CheckRequestId(absl::string_view request_id, Violations* violations);

// At most 16 pairs; keys of 1-64 characters without control characters, values of up to 512. A
// violation of one pair names it: `metadata["key"]`.
void CheckMetadata(const Metadata& metadata, Violations* violations);

}  // namespace paddock
