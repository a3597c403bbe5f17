#include "common/proto_time.h"

#include <gtest/gtest.h>

namespace paddock {
namespace {

TEST(ProtoTimeTest, TimesSurviveTheWayThere) {
  for (const absl::Time time :
       {absl::UnixEpoch(), absl::FromUnixNanos(1'700'000'000'123'456'789),
        absl::UnixEpoch() - absl::Nanoseconds(1), absl::FromUnixSeconds(253'402'300'799)}) {
    EXPECT_EQ(FromTimestamp(ToTimestamp(time)), time);
  }
}

TEST(ProtoTimeTest, TimesOutOfRangeAreClamped) {
  EXPECT_EQ(ToTimestamp(absl::InfiniteFuture()).seconds(), 253'402'300'799);
  EXPECT_EQ(ToTimestamp(absl::InfinitePast()).seconds(), -62'135'596'800);
}

TEST(ProtoTimeTest, DurationsSurviveTheWayThere) {
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Nanoseconds(1), -absl::Nanoseconds(1),
        -absl::Milliseconds(1500), absl::Hours(1000)}) {
    EXPECT_EQ(FromProtoDuration(ToProtoDuration(duration)), duration);
  }
  EXPECT_EQ(ToProtoDuration(absl::InfiniteDuration()).seconds(), 315'576'000'000);
}

TEST(ProtoTimeTest, InvalidOnesAreRefused) {
  google::protobuf::Timestamp time;
  time.set_nanos(-1);
  EXPECT_EQ(FromTimestamp(time), std::nullopt);
  time.set_nanos(0);
  time.set_seconds(253'402'300'800);
  EXPECT_EQ(FromTimestamp(time), std::nullopt);
  google::protobuf::Duration duration;
  duration.set_seconds(1);
  duration.set_nanos(-1);
  EXPECT_EQ(FromProtoDuration(duration), std::nullopt);
  duration.set_seconds(315'576'000'001);
  duration.set_nanos(0);
  EXPECT_EQ(FromProtoDuration(duration), std::nullopt);
}

}  // namespace
}  // namespace paddock
