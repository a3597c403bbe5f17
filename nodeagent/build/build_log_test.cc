#include "nodeagent/build/build_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(BuildLogTest, LinesComeWholeWhateverTheChunks) {
  BuildLog log;
  EXPECT_THAT(log.Add(BuildLog::Stream::kStdout, "one\ntw"), ElementsAre("one"));
  EXPECT_THAT(log.Add(BuildLog::Stream::kStderr, "error\n"), ElementsAre("error"));
  EXPECT_THAT(log.Add(BuildLog::Stream::kStdout, "o\r10%\r20%\n\nend"),
              ElementsAre("two", "10%", "20%"));
  EXPECT_THAT(log.Flush(), ElementsAre("end"));
  EXPECT_THAT(log.Flush(), IsEmpty());
  EXPECT_EQ(log.Tail(), "one\nerror\ntwo\n10%\n20%\nend\n");
}

TEST(BuildLogTest, LongLinesAreCut) {
  BuildLog log;
  const auto lines = log.Add(BuildLog::Stream::kStdout, std::string(1 << 20, 'x') + "\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].size(), BuildLog::kMaxLine);
}

TEST(BuildLogTest, PastTheBoundLinesAreOnlyRemembered) {
  BuildLog log;
  const std::string line(1023, 'x');
  size_t given = 0;
  for (size_t i = 0; i < 2 * BuildLog::kMaxBytes / 1024; ++i) {
    for (const std::string& out : log.Add(BuildLog::Stream::kStdout, line + "\n")) {
      given += out.size() + 1;
    }
  }
  EXPECT_LE(given, BuildLog::kMaxBytes + 200);
  EXPECT_THAT(log.Add(BuildLog::Stream::kStdout, "the end\n"), IsEmpty());
  EXPECT_THAT(log.Tail(), HasSubstr("the end\n"));
  EXPECT_LE(log.Tail().size(), BuildLog::kTailBytes);
}

}  // namespace
}  // namespace paddock::nodeagent
