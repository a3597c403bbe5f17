#include "controlplane/store/connection_watch.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace paddock {
namespace {

// Both ends of a connection; the second is the server's.
class ConnectionWatchTest : public testing::Test {
 protected:
  ConnectionWatchTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~ConnectionWatchTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }

  // Whether a wait for the server's answer ends within `time`, as it does in libpq.
  bool EndsWithin(absl::Duration time) {
    pollfd end = {ends_[0], POLLIN, 0};
    return poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(time))) == 1;
  }

  int ends_[2];
  ConnectionWatch watch_;
};

TEST_F(ConnectionWatchTest, ASilentServersConnectionIsShut) {
  ConnectionWatch::Watched watched(&watch_, ends_[0], absl::Milliseconds(100));
  watched.Begin();
  EXPECT_TRUE(EndsWithin(absl::Seconds(10)));
  char byte;
  EXPECT_EQ(read(ends_[0], &byte, 1), 0) << "as if the server had gone";
}

TEST_F(ConnectionWatchTest, WhatIsPausedOrHasTimeIsLeftAlone) {
  ConnectionWatch::Watched watched(&watch_, ends_[0], absl::Seconds(3600));
  watched.Begin();
  EXPECT_FALSE(EndsWithin(absl::Milliseconds(500)));
  watched.Pause();
  watch_.SetCap(absl::ZeroDuration());
  EXPECT_FALSE(EndsWithin(absl::Milliseconds(500)));
}

TEST_F(ConnectionWatchTest, ACapEndsWhatWaitsAlready) {
  ConnectionWatch::Watched watched(&watch_, ends_[0], absl::Seconds(3600));
  watched.Begin();
  watch_.SetCap(absl::Milliseconds(100));
  EXPECT_TRUE(EndsWithin(absl::Seconds(10)));
}

TEST_F(ConnectionWatchTest, WhatIsClosedIsLeftAlone) {
  { ConnectionWatch::Watched watched(&watch_, ends_[0], absl::ZeroDuration()); }
  EXPECT_FALSE(EndsWithin(absl::Milliseconds(500)));
}

}  // namespace
}  // namespace paddock
