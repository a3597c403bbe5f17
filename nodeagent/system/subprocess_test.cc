#include "nodeagent/system/subprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "nodeagent/system/pidfd.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

SpawnSpec Shell(const std::string& script) {
  SpawnSpec spec;
  spec.argv = {"sh", "-c", script};
  return spec;
}

TEST(SubprocessTest, TellsOutputAndExitCodeApart) {
  const absl::StatusOr<SubprocessResult> result =
      RunSubprocess(Shell("echo o; echo e >&2; exit 3"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->stdout_data, "o\n");
  EXPECT_EQ(result->stderr_data, "e\n");
  EXPECT_FALSE(result->ok());
}

TEST(SubprocessTest, TellsTheSignal) {
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(Shell("kill -TERM $$"));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->signal, SIGTERM);
  EXPECT_EQ(result->exit_code, -1);
}

TEST(SubprocessTest, FeedsStandardInput) {
  SubprocessOptions options;
  options.stdin_data = std::string(300'000, 'x');
  const absl::StatusOr<std::string> output = RunChecked(Shell("wc -c"), options);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(*output, HasSubstr("300000"));
}

TEST(SubprocessTest, KeepsTheEndOfLongOutput) {
  SubprocessOptions options;
  options.max_output = 10;
  const absl::StatusOr<SubprocessResult> result =
      RunSubprocess(Shell("seq 100000; echo the-end"), options);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->stdout_data, "0\nthe-end\n");
}

TEST(SubprocessTest, KillsTheWholeGroupPastTheTimeOut) {
  SubprocessOptions options;
  options.timeout = absl::Milliseconds(300);
  const absl::Duration start = Clock::Real()->Monotonic();
  const absl::Status status =
      RunSubprocess(Shell("sleep 100 & echo $! >&2; wait"), options).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_LT(Clock::Real()->Monotonic() - start, absl::Seconds(20));
  // The child of the shell, whose pid is what it said last.
  const std::string text(status.message());
  const pid_t sleeper = std::stoi(text.substr(text.rfind(' ') + 1));
  const absl::Duration deadline = Clock::Real()->Monotonic() + absl::Seconds(10);
  bool alive = true;
  while (alive && Clock::Real()->Monotonic() < deadline) {
    const absl::StatusOr<UniqueFd> pidfd = PidfdOpen(sleeper);
    alive = pidfd.ok() && !PidfdExited(pidfd->get());
  }
  EXPECT_FALSE(alive);
}

TEST(SubprocessTest, DoesNotWaitForWhoHoldsTheOutput) {
  SubprocessOptions options;
  options.timeout = absl::Seconds(20);
  const absl::Duration start = Clock::Real()->Monotonic();
  const absl::StatusOr<SubprocessResult> result =
      RunSubprocess(Shell("setsid sleep 30 & echo $!"), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(Clock::Real()->Monotonic() - start, absl::Seconds(15));
  kill(std::stoi(result->stdout_data), SIGKILL);
}

TEST(SubprocessTest, QuotesTheProgramsLastWords) {
  const absl::Status status = RunChecked(Shell("echo no space left >&2; exit 9")).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("sh ended with code 9: no space left"));
}

}  // namespace
}  // namespace paddock::nodeagent
