#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paddock {

// What PostgreSQL writes for a timestamptz with TimeZone UTC and DateStyle ISO, such as
// "2026-11-23 11:44:00.123456+00". Anything else: absl::InfinitePast().
absl::Time ParseSqlTime(absl::string_view text);

// What PostgreSQL reads, in microseconds. Times outside the years 1 to 9999, which no stored one
// is, become the nearest inside: as bounds they mean the same.
std::string FormatSqlTime(absl::Time time);

}  // namespace paddock
