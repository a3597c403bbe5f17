#include "controlplane/rest/rest_time.h"

namespace paddock {

std::string ToRestTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

nlohmann::ordered_json ToRestTime(const std::optional<absl::Time>& time) {
  if (!time.has_value()) return nullptr;
  return ToRestTime(*time);
}

std::optional<absl::Time> FromRestTime(absl::string_view text) {
  constexpr size_t kMaxLength = 64;
  absl::Time time;
  std::string error;
  if (text.size() > kMaxLength || !absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return std::nullopt;
  }
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return std::nullopt;
  return time;
}

}  // namespace paddock
