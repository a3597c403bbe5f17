#include "common/host_port.h"

#include <gtest/gtest.h>

namespace paddock {
namespace {

TEST(BracketIpv6Test, BracketsABareAddress) {
  EXPECT_EQ(BracketIpv6("fd00::7:7501"), "[fd00::7]:7501");
  EXPECT_EQ(BracketIpv6(":::7501"), "[::]:7501");
}

TEST(BracketIpv6Test, LeavesWhatIsClearAlone) {
  for (const char* clear :
       {"10.0.0.1:7501", "[fd00::7]:7501", "node.example:7501", ":7501", "localhost", ""}) {
    EXPECT_EQ(BracketIpv6(clear), clear);
  }
}

}  // namespace
}  // namespace paddock
