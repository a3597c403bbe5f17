#include "controlplane/store/time_codec.h"

#include <algorithm>

#include "absl/time/civil_time.h"

namespace paddock {
namespace {

// Reads exactly `digits` digits at `*text` and moves past them; -1 when they aren't there.
int ReadDigits(absl::string_view* text, int digits) {
  if (text->size() < static_cast<size_t>(digits)) return -1;
  int value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  return value;
}

bool Skip(absl::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// The digits after the point, in microseconds.
int64_t ReadFraction(absl::string_view* text) {
  if (!Skip(text, '.')) return 0;
  int64_t micros = 0;
  int64_t unit = 100000;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9') {
    micros += unit * (text->front() - '0');
    unit /= 10;
    text->remove_prefix(1);
  }
  return micros;
}

}  // namespace

absl::Time ParseSqlTime(absl::string_view text) {
  const int year = ReadDigits(&text, 4);
  if (year < 0 || !Skip(&text, '-')) return absl::InfinitePast();
  const int month = ReadDigits(&text, 2);
  if (month < 0 || !Skip(&text, '-')) return absl::InfinitePast();
  const int day = ReadDigits(&text, 2);
  if (day < 0 || !Skip(&text, ' ')) return absl::InfinitePast();
  const int hour = ReadDigits(&text, 2);
  if (hour < 0 || !Skip(&text, ':')) return absl::InfinitePast();
  const int minute = ReadDigits(&text, 2);
  if (minute < 0 || !Skip(&text, ':')) return absl::InfinitePast();
  const int second = ReadDigits(&text, 2);
  if (second < 0) return absl::InfinitePast();
  const int64_t micros = ReadFraction(&text);
  if (text != "+00") return absl::InfinitePast();
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                         absl::UTCTimeZone()) +
         absl::Microseconds(micros);
}

std::string FormatSqlTime(absl::Time time) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::Time first = absl::FromCivil(absl::CivilSecond(1, 1, 1), utc);
  const absl::Time last =
      absl::FromCivil(absl::CivilSecond(10000, 1, 1), utc) - absl::Microseconds(1);
  return absl::FormatTime("%E4Y-%m-%d %H:%M:%E6S+00", std::clamp(time, first, last), utc);
}

}  // namespace paddock
