#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Frames on the gateway's socket: 4 bytes length (most significant first), then JSON text. Pure.
constexpr uint32_t kMaxFrame = 32u << 20;

std::string EncodeFrame(absl::string_view payload);
// Takes the first whole frame out of `buffer`; nullopt if it isn't whole yet. INVALID_ARGUMENT for
// one that is too long.
absl::StatusOr<std::optional<std::string>> TakeFrame(std::string* buffer);

}  // namespace paddock::nodeagent
