#include "common/log.h"

#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { SetLogLevel(LogLevel::kInfo); }

  template <typename Write>
  std::string Captured(Write write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, OneLineOfKeysAndValues) {
  const std::string line = Captured([] {
    LogInfo("session started", {{"session_id", "sesn_1"}, {"generation", 3}});
  });
  EXPECT_THAT(line, MatchesRegex("time=[0-9-]*T[0-9:.]*Z level=info msg=\"session started\" "
                                 "session_id=sesn_1 generation=3\n"));
}

TEST_F(LogTest, ValuesCannotForgeLinesOrFields) {
  const std::string line = Captured([] {
    LogError("x", {{"name", "a\nlevel=info msg=forged"}, {"quote", "say \"no\""}, {"none", ""}});
  });
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_THAT(line, HasSubstr("name=\"a\\nlevel=info msg=forged\""));
  EXPECT_THAT(line, HasSubstr("quote=\"say \\\"no\\\"\""));
  EXPECT_THAT(line, HasSubstr("none=\"\""));
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  EXPECT_THAT(Captured([] { LogDebug("quiet"); }), IsEmpty());
  SetLogLevel(LogLevel::kError);
  EXPECT_THAT(Captured([] { LogWarning("quiet"); }), IsEmpty());
  EXPECT_THAT(Captured([] { LogError("loud"); }), HasSubstr("level=error msg=loud"));
}

TEST_F(LogTest, LinesOfSeveralThreadsAreNotTorn) {
  const std::string text = Captured([] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 200; ++n) LogInfo("line", {{"padding", std::string(200, 'x')}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 800u);
  for (const std::string& line : lines) {
    EXPECT_THAT(line, StartsWith("time="));
    EXPECT_THAT(line, testing::EndsWith(std::string(200, 'x')));
  }
}

}  // namespace
}  // namespace paddock
