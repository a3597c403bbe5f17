#pragma once

#include <optional>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace paddock {

// Conversions between absl's times and protobuf's. Pure. What lies outside of protobuf's range
// (years 1 to 9999, +-10,000 years) is clamped to its border.
google::protobuf::Timestamp ToTimestamp(absl::Time time);
google::protobuf::Duration ToProtoDuration(absl::Duration duration);

// nullopt when out of range, or when the parts contradict each other.
std::optional<absl::Time> FromTimestamp(const google::protobuf::Timestamp& time);
std::optional<absl::Duration> FromProtoDuration(const google::protobuf::Duration& duration);

}  // namespace paddock
