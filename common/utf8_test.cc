#include "common/utf8.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(Utf8Test, CountsCodePointsOfAnyScript) {
  EXPECT_EQ(CountCodePoints(""), 0u);
  EXPECT_EQ(CountCodePoints("abc"), 3u);
  EXPECT_EQ(CountCodePoints("äöü"), 3u);
  EXPECT_EQ(CountCodePoints("日本語"), 3u);
  EXPECT_EQ(CountCodePoints("😀😀"), 2u);
  EXPECT_EQ(CountCodePoints(std::string("a\0b", 3)), 3u);
  EXPECT_EQ(CountCodePoints("\xf4\x8f\xbf\xbf"), 1u);  // U+10FFFF
}

TEST(Utf8Test, RefusesWhatIsNotUtf8) {
  const char* invalid[] = {
      "\x80",              // A continuation byte alone.
      "\xc3",              // Cut off.
      "\xe2\x82",          // Cut off.
      "\xc0\x80",          // NUL, overlong.
      "\xc1\xbf",          // Overlong.
      "\xe0\x80\xaf",      // Overlong.
      "\xf0\x80\x80\xaf",  // Overlong.
      "\xed\xa0\x80",      // A surrogate.
      "\xf4\x90\x80\x80",  // Above U+10FFFF.
      "\xf5\x80\x80\x80",
      "\xff",
      "ok\xfe",
      "\xe2(\xa1",
  };
  for (const char* text : invalid) {
    EXPECT_EQ(CountCodePoints(text), std::nullopt) << testing::PrintToString(text);
  }
}

TEST(Utf8Test, ConsumeTakesOneCodePointAndLeavesInvalidBytes) {
  absl::string_view text = "é\xff";
  EXPECT_EQ(ConsumeCodePoint(&text), 0xe9u);
  EXPECT_EQ(ConsumeCodePoint(&text), std::nullopt);
  EXPECT_EQ(text, "\xff");
  text = "";
  EXPECT_EQ(ConsumeCodePoint(&text), std::nullopt);
}

TEST(Utf8Test, KnowsControlsAndWhiteSpace) {
  for (uint32_t c : {0x0u, 0x9u, 0x1fu, 0x7fu, 0x80u, 0x85u, 0x9fu}) EXPECT_TRUE(IsControl(c)) << c;
  for (uint32_t c : {0x20u, 0x7eu, 0xa0u, 0x1f600u}) EXPECT_FALSE(IsControl(c)) << c;
  for (uint32_t c : {0x9u, 0xau, 0x20u, 0xa0u, 0x1680u, 0x2003u, 0x2028u, 0x202fu, 0x3000u}) {
    EXPECT_TRUE(IsWhiteSpace(c)) << c;
  }
  for (uint32_t c : {0x0u, 0x21u, 0x200bu, 0x2070u}) EXPECT_FALSE(IsWhiteSpace(c)) << c;
}

TEST(Utf8Test, QuoteEscapesReplacesAndCuts) {
  EXPECT_EQ(Quote("name"), "\"name\"");
  EXPECT_EQ(Quote("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\u000a\\u0001\"");
  EXPECT_EQ(Quote("\xff日"), "\"\uFFFD日\"");
  EXPECT_EQ(Quote("日本語", 2), "\"日本…\"");
  EXPECT_EQ(Quote("日本", 2), "\"日本\"");
  EXPECT_EQ(Quote(""), "\"\"");
}

}  // namespace
}  // namespace paddock
