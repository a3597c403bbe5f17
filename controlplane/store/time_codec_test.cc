#include "controlplane/store/time_codec.h"

#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(TimeCodec, RoundTripsToTheMicrosecond) {
  const absl::Time time = absl::FromUnixMicros(1'795'434'240'123'456);
  EXPECT_EQ(ParseSqlTime(FormatSqlTime(time)), time);
}

TEST(TimeCodec, WhatPostgresCantHoldBecomesTheNearest) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  for (const absl::Time early :
       {absl::InfinitePast(), absl::FromCivil(absl::CivilSecond(0, 12, 31, 23, 59, 59), utc),
        absl::FromCivil(absl::CivilSecond(1, 1, 1), utc)}) {
    EXPECT_EQ(FormatSqlTime(early), "0001-01-01 00:00:00.000000+00");
  }
  for (const absl::Time late :
       {absl::InfiniteFuture(), absl::FromCivil(absl::CivilSecond(10000, 1, 1), utc)}) {
    EXPECT_EQ(FormatSqlTime(late), "9999-12-31 23:59:59.999999+00");
  }
}

TEST(TimeCodec, ReadsWhatPostgresWrites) {
  EXPECT_EQ(ParseSqlTime("2026-11-23 11:44:00+00"),
            absl::FromCivil(absl::CivilSecond(2026, 11, 23, 11, 44, 0), absl::UTCTimeZone()));
  EXPECT_EQ(ParseSqlTime("2026-11-23 11:44:00.5+00") - ParseSqlTime("2026-11-23 11:44:00+00"),
            absl::Milliseconds(500));
}

TEST(TimeCodec, AnythingElseIsInfinitePast) {
  for (const char* text : {"", "infinity", "2026-11-23", "2026-11-23 11:44:00+01", "x"}) {
    EXPECT_EQ(ParseSqlTime(text), absl::InfinitePast()) << text;
  }
}

}  // namespace
}  // namespace paddock
