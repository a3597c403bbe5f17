#include "common/last_lines.h"

#include "common/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(LastLinesTest, AShortTextIsWholeButForItsEnd) {
  EXPECT_EQ(LastLines("one\ntwo\n", 100), "one\ntwo");
  EXPECT_EQ(LastLines("", 100), "");
  EXPECT_EQ(LastLines("\n \n", 1), "");
}

TEST(LastLinesTest, WholeLinesFromTheEndAreKept) {
  EXPECT_EQ(LastLines("one\ntwo\nthree\n", 9), "two\nthree");
  EXPECT_EQ(LastLines("one\ntwo\nthree\n", 8), "three");
  EXPECT_EQ(LastLines("one\ntwo\nthree\n", 5), "three");
}

TEST(LastLinesTest, OfALongLineItsEnd) {
  EXPECT_EQ(LastLines("short\n0123456789", 7), "…6789");
  EXPECT_EQ(LastLines("0123456789", 2), "");
}

TEST(LastLinesTest, CharactersStayWhole) {
  std::string smiles;
  for (int i = 0; i < 100; ++i) smiles += "😀";
  for (size_t bytes = 0; bytes < 40; ++bytes) {
    const std::string end = LastLines(smiles, bytes);
    EXPECT_LE(end.size(), bytes);
    EXPECT_TRUE(CountCodePoints(end).has_value()) << bytes;
  }
  EXPECT_EQ(LastLines(smiles, 11), "…😀😀");
}

}  // namespace
}  // namespace paddock
