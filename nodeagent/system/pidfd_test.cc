#include "nodeagent/system/pidfd.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "nodeagent/system/spawn.h"

namespace paddock::nodeagent {
namespace {

SpawnedProcess Start(const std::string& script) {
  SpawnSpec spec;
  spec.argv = {"sh", "-c", script};
  absl::StatusOr<SpawnedProcess> child = Spawn(spec);
  EXPECT_TRUE(child.ok()) << child.status();
  return *std::move(child);
}

TEST(PidfdTest, NamesAProcessByPidAndStart) {
  const SpawnedProcess child = Start("sleep 100");
  const absl::StatusOr<uint64_t> start = ProcessStartTime(child.pid);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(PidfdOpenChecked(child.pid, *start).ok());
  EXPECT_TRUE(absl::IsNotFound(PidfdOpenChecked(child.pid, *start + 1).status()));
  EXPECT_FALSE(PidfdExited(child.pidfd.get()));
  EXPECT_TRUE(PidfdKill(child.pidfd.get(), SIGKILL).ok());
  EXPECT_EQ(WaitForExit(child.pidfd.get(), absl::Seconds(10))->signal, SIGKILL);
  EXPECT_TRUE(absl::IsNotFound(PidfdOpenChecked(child.pid, *start).status()));
  EXPECT_TRUE(PidfdKill(child.pidfd.get(), SIGKILL).ok()) << "gone is fine";
}

TEST(PidfdTest, WaitsNoLongerThanTold) {
  const SpawnedProcess child = Start("sleep 100");
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(WaitForExit(child.pidfd.get(), absl::Milliseconds(20)).status()));
  EXPECT_TRUE(PidfdKill(child.pidfd.get(), SIGKILL).ok());
  EXPECT_TRUE(WaitForExit(child.pidfd.get(), absl::Seconds(10)).ok());
}

TEST(PidfdTest, TakesTheStatusOfAChild) {
  const SpawnedProcess child = Start("exit 7");
  while (!PidfdExited(child.pidfd.get())) sched_yield();
  const std::optional<ExitStatus> status = TakeExitStatus(child.pidfd.get());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->exit_code, 7);
  EXPECT_TRUE(absl::IsNotFound(ProcessStartTime(child.pid).status())) << "reaped";
}

TEST(PidfdTest, AsksTheKernelAboutWhatOthersReaped) {
  const SpawnedProcess child = Start("exit 7");
  ASSERT_EQ(waitpid(child.pid, nullptr, 0), child.pid);
  const std::optional<ExitStatus> status = TakeExitStatus(child.pidfd.get());
  // Linux 6.15 and later can tell; before that nobody can.
  if (status.has_value()) {
    EXPECT_EQ(status->exit_code, 7);
  }
}

TEST(PidfdTest, ReapsOrphansByNameAndNobodyElse) {
  ASSERT_TRUE(BecomeSubreaper().ok());
  // The shell's child outlives it in the shell's session, so it falls to us; another leads a
  // session of its own.
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  SpawnSpec spec;
  spec.argv = {"sh", "-c", "sleep 0 & setsid sleep 0 & exit 0"};
  spec.fds = {{fds[1], 5}};
  absl::StatusOr<SpawnedProcess> shell = Spawn(spec);
  ASSERT_TRUE(shell.ok());
  close(fds[1]);
  char byte = 0;
  EXPECT_EQ(read(fds[0], &byte, 1), 0);  // Both have ended: nobody holds the pipe any more.
  close(fds[0]);
  EXPECT_TRUE(WaitForExit(shell->pidfd.get(), absl::Seconds(10)).ok());
  ReapOrphans({}, {"something-else"});
  siginfo_t info = {};
  ASSERT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0) << "not reaped for another name";
  ReapOrphans({}, {"sleep", "sh"});
  int reaped = 0;
  while (waitpid(-1, nullptr, 0) > 0) ++reaped;
  EXPECT_LE(reaped, 1) << "at most the one that leads a session is left";
}

}  // namespace
}  // namespace paddock::nodeagent
