#include "nodeagent/egress/frame.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

TEST(FrameTest, FramesComeOutWholeAndInOrder) {
  std::string buffer = EncodeFrame("one") + EncodeFrame("");
  std::string arriving;
  std::vector<std::string> frames;
  for (char c : buffer) {
    arriving.push_back(c);
    auto frame = TakeFrame(&arriving);
    ASSERT_TRUE(frame.ok());
    if (*frame) frames.push_back(**frame);
  }
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0], "one");
  EXPECT_EQ(frames[1], "");
  EXPECT_TRUE(arriving.empty());
}

TEST(FrameTest, RefusesAFrameThatIsTooLong) {
  std::string buffer = "\xff\xff\xff\xff";
  EXPECT_FALSE(TakeFrame(&buffer).ok());
}

}  // namespace
}  // namespace paddock::nodeagent
