#include "nodeagent/egress/frame.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kHeader = 4;

}  // namespace

std::string EncodeFrame(absl::string_view payload) {
  uint32_t size = static_cast<uint32_t>(payload.size());
  std::string frame = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8), static_cast<char>(size)};
  return frame.append(payload.data(), payload.size());
}

absl::StatusOr<std::optional<std::string>> TakeFrame(std::string* buffer) {
  if (buffer->size() < kHeader) return std::nullopt;
  uint32_t size = 0;
  for (size_t i = 0; i < kHeader; ++i) size = size << 8 | static_cast<uint8_t>((*buffer)[i]);
  if (size > kMaxFrame) return absl::InvalidArgumentError("frame too long");
  if (buffer->size() < kHeader + size) return std::nullopt;
  std::string payload = buffer->substr(kHeader, size);
  buffer->erase(0, kHeader + size);
  return payload;
}

}  // namespace paddock::nodeagent
