// The agent's client against the real sandbox program.

#include "nodeagent/init/socket_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "nodeagent/init/test_sandbox.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

size_t OpenDescriptors(pid_t pid) {
  auto list = std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<size_t>(std::distance(begin(list), end(list)));
}

// Whether `condition` holds before the time is over; asked again whenever others had a turn.
template <typename Condition>
bool Comes(const Condition& condition) {
  const absl::Time give_up_at = absl::Now() + TestSandbox::kTimeout;
  while (!condition()) {
    if (absl::Now() >= give_up_at) return false;
    sched_yield();
  }
  return true;
}

ExecSpec Command(std::vector<std::string> command) {
  ExecSpec spec;
  spec.command = std::move(command);
  spec.cwd = "/";
  return spec;
}

TEST(SocketClientTest, GivesStdioAndExitCode) {
  TestSandbox sandbox;
  Finished finished = sandbox.Run(sandbox.Shell("cat; echo oops >&2; exit 7"), "hello");
  ASSERT_TRUE(finished.exit.ok()) << finished.exit.status();
  EXPECT_EQ(finished.out, "hello");
  EXPECT_EQ(finished.err, "oops\n");
  EXPECT_EQ(finished.exit->code, 7);
  EXPECT_EQ(finished.exit->signal, 0);
}

TEST(SocketClientTest, CarriesMuchDataBothWays) {
  TestSandbox sandbox;
  std::string input(8 << 20, 'x');
  Finished finished = sandbox.Run(sandbox.Shell("cat"), input);
  EXPECT_EQ(finished.out.size(), input.size());
  EXPECT_TRUE(finished.out == input);
}

TEST(SocketClientTest, SetsEnvironmentDirectoryAndUser) {
  TestSandbox sandbox;
  ExecSpec spec = sandbox.Shell("echo $FROM_INIT $MINE $HOME $USER; pwd; umask; id -u");
  spec.env = {{"MINE", "set"}};
  Finished finished = sandbox.Run(spec);
  EXPECT_THAT(finished.out, HasSubstr("yes set /root root\n" + sandbox.directory()));
  EXPECT_THAT(finished.out, HasSubstr("0022\n0\n"));
}

TEST(SocketClientTest, OtherUsersHaveNoCapabilities) {
  TestSandbox sandbox;
  ExecSpec spec =
      Command({"sh", "-c", "id -u; id -g; grep Cap /proc/self/status; echo ok >/dev/stderr"});
  spec.user = "nobody";
  Finished finished = sandbox.Run(spec);
  EXPECT_THAT(finished.out, HasSubstr("65534\n65534\n"));
  EXPECT_THAT(finished.out, HasSubstr("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
                                      "CapEff:\t0000000000000000\n"));
  EXPECT_EQ(finished.err, "ok\n") << "/dev/stderr must be the user's to open";
}

TEST(SocketClientTest, SignalsStartAtTheirDefaults) {
  TestSandbox sandbox;
  Finished finished = sandbox.Run(Command({"grep", "Sig[BI]", "/proc/self/status"}));
  EXPECT_THAT(finished.out, HasSubstr("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
}

TEST(SocketClientTest, NoDescriptorButStdioIsInherited) {
  TestSandbox sandbox;
  Finished finished = sandbox.Run(Command({"ls", "/proc/self/fd"}));
  EXPECT_EQ(finished.out, "0\n1\n2\n3\n") << "3 is ls's own";
}

TEST(SocketClientTest, NotFoundIs127AndNotExecutableIs126) {
  TestSandbox sandbox;
  Finished finished = sandbox.Run(Command({"no-such-command"}));
  EXPECT_EQ(finished.exit->code, 127);
  EXPECT_EQ(finished.err, "exec: no-such-command: command not found\n");
  EXPECT_EQ(sandbox.Run(Command({"/no/such/file"})).exit->code, 127);
  EXPECT_EQ(sandbox.Run(Command({""})).exit->code, 127);
  EXPECT_EQ(sandbox.Run(Command({"/etc/passwd"})).exit->code, 126);
  finished = sandbox.Run(Command({"/etc"}));
  EXPECT_EQ(finished.exit->code, 126);
  EXPECT_THAT(finished.err, HasSubstr("ermission denied"));
}

TEST(SocketClientTest, SearchesTheResultingPath) {
  TestSandbox sandbox;
  ExecSpec spec = Command({"mine"});
  std::ofstream(sandbox.directory() + "/mine") << "#!/bin/sh\necho found\n";
  chmod((sandbox.directory() + "/mine").c_str(), 0755);
  EXPECT_EQ(sandbox.Run(spec).exit->code, 127);
  spec.env = {{"PATH", "/nowhere:" + sandbox.directory()}};
  EXPECT_EQ(sandbox.Run(spec).out, "found\n");
}

TEST(SocketClientTest, BadUserAndDirectoryAreErrorsByName) {
  TestSandbox sandbox;
  ExecSpec spec = Command({"true"});
  spec.user = "no-such-user";
  absl::Status status = sandbox.Run(spec).exit.status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("no-such-user"));
  spec.user = "root:no-such-group";
  EXPECT_TRUE(absl::IsInvalidArgument(sandbox.Run(spec).exit.status()));
  spec.user = "";
  spec.cwd = "/no/such/directory";
  status = sandbox.Run(spec).exit.status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("/no/such/directory"));
  EXPECT_TRUE(sandbox.Run(Command({"true"})).exit.ok()) << "and PID 1 goes on";
}

TEST(SocketClientTest, WithoutADirectoryItIsTheDefaultOrTheRoot) {
  TestSandbox sandbox;
  ExecSpec spec = sandbox.Shell("pwd");
  spec.cwd = "";
  const Finished finished = sandbox.Run(spec);
  ASSERT_TRUE(finished.exit.ok()) << finished.exit.status();
  EXPECT_EQ(finished.out, std::filesystem::is_directory("/workspace") ? "/workspace\n" : "/\n");
}

TEST(SocketClientTest, TooLargeIsRefusedAndLargeWorks) {
  TestSandbox sandbox;
  ExecSpec spec = Command({"sh", "-c", "env | wc -c"});
  for (int i = 0; i < 9; ++i) spec.env["V" + std::to_string(i)] = std::string(100000, 'x');
  EXPECT_GT(std::stoi(sandbox.Run(spec).out), 900000);
  spec.env["W"] = std::string(200000, 'x');
  EXPECT_TRUE(absl::IsInvalidArgument(sandbox.Run(spec).exit.status()));
}

TEST(SocketClientTest, SignalReachesTheProcessGroup) {
  TestSandbox sandbox;
  ExecStreams streams;
  auto handle = sandbox.client()->Exec(sandbox.Shell("echo ready; sleep 100 & wait"), -1, &streams,
                                       TestSandbox::kTimeout);
  ASSERT_TRUE(handle.ok()) << handle.status();
  EXPECT_GT((*handle)->pid(), 1);
  EXPECT_EQ(TestSandbox::ReadUntil(streams.stdout_read.get(), "\n"), "ready\n");
  EXPECT_TRUE(absl::IsFailedPrecondition((*handle)->TakeExit().status()));
  EXPECT_TRUE(absl::IsInvalidArgument((*handle)->Signal(0)));
  EXPECT_TRUE(absl::IsInvalidArgument((*handle)->Signal(65)));
  ASSERT_TRUE((*handle)->Signal(SIGTERM).ok());
  // The end of the output says that the background process is gone, too.
  EXPECT_EQ(TestSandbox::ReadToEnd(streams.stdout_read.get()), "");
  ASSERT_TRUE(WaitReadable((*handle)->exit_fd(), TestSandbox::kTimeout).ok());
  absl::StatusOr<ExecExit> exit = (*handle)->TakeExit();
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_EQ(exit->signal, SIGTERM);
  EXPECT_EQ((*handle)->TakeExit()->signal, SIGTERM) << "the first answer is repeated";
}

TEST(SocketClientTest, TerminalHasNameSizeAndJobControl) {
  TestSandbox sandbox;
  ExecSpec spec = sandbox.Shell(
      "tty; stty size; echo $TERM; trap 'stty size; exit 3' WINCH; echo ready;"
      "while :; do sleep 0.05; done");
  spec.tty = true;
  spec.rows = 30;
  spec.cols = 100;
  ExecStreams streams;
  auto handle = sandbox.client()->Exec(spec, -1, &streams, TestSandbox::kTimeout);
  ASSERT_TRUE(handle.ok()) << handle.status();
  ASSERT_TRUE(streams.terminal.valid());
  std::string text = TestSandbox::ReadUntil(streams.terminal.get(), "ready");
  EXPECT_THAT(text, HasSubstr("/dev/pts/"));
  EXPECT_THAT(text, HasSubstr("30 100"));
  EXPECT_THAT(text, HasSubstr("xterm"));
  EXPECT_TRUE(absl::IsInvalidArgument((*handle)->Resize(0, 1)));
  ASSERT_TRUE((*handle)->Resize(40, 120).ok());
  EXPECT_THAT(TestSandbox::ReadToEnd(streams.terminal.get()), HasSubstr("40 120"));
  ASSERT_TRUE(WaitReadable((*handle)->exit_fd(), TestSandbox::kTimeout).ok());
  EXPECT_EQ((*handle)->TakeExit()->code, 3);
}

TEST(SocketClientTest, TerminalSignalsGoToTheForeground) {
  TestSandbox sandbox;
  ExecSpec spec = Command({"/bin/bash", "--norc", "-i"});
  spec.tty = true;
  spec.env = {{"PS1", "%%"}};
  ExecStreams streams;
  auto handle = sandbox.client()->Exec(spec, -1, &streams, TestSandbox::kTimeout);
  ASSERT_TRUE(handle.ok()) << handle.status();
  TestSandbox::ReadUntil(streams.terminal.get(), "%%");
  std::string line = "sh -c 'echo re''ady; exec sleep 100'; echo st''ill here\n";
  ASSERT_EQ(write(streams.terminal.get(), line.data(), line.size()),
            static_cast<ssize_t>(line.size()));
  TestSandbox::ReadUntil(streams.terminal.get(), "ready");
  ASSERT_TRUE((*handle)->Signal(SIGTERM).ok());
  EXPECT_THAT(TestSandbox::ReadUntil(streams.terminal.get(), "still here"), HasSubstr("still"));
}

TEST(SocketClientTest, ResizeNeedsATerminal) {
  TestSandbox sandbox;
  ExecStreams streams;
  auto handle = sandbox.client()->Exec(sandbox.Shell("cat"), -1, &streams, TestSandbox::kTimeout);
  ASSERT_TRUE(handle.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((*handle)->Resize(1, 1)));
}

TEST(SocketClientTest, JoinsTheGivenFileFirst) {
  TestSandbox sandbox;
  std::string procs = sandbox.directory() + "/cgroup.procs";
  UniqueFd fd(open(procs.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ExecStreams streams;
  auto handle =
      sandbox.client()->Exec(Command({"true"}), fd.get(), &streams, TestSandbox::kTimeout);
  ASSERT_TRUE(handle.ok()) << handle.status();
  std::string text;
  std::ifstream(procs) >> text;
  EXPECT_EQ(text, "0");
  UniqueFd unwritable(open(procs.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(sandbox.client()
                   ->Exec(Command({"true"}), unwritable.get(), &streams, TestSandbox::kTimeout)
                   .ok());
}

TEST(SocketClientTest, ThousandCommandsLeakNothing) {
  TestSandbox sandbox;
  ASSERT_TRUE(sandbox.Run(Command({"true"})).exit.ok());
  size_t theirs = OpenDescriptors(sandbox.pid());
  size_t ours = OpenDescriptors(getpid());
  for (int i = 0; i < 1000; ++i) {
    Finished finished = sandbox.Run(Command({"/bin/true"}));
    ASSERT_TRUE(finished.exit.ok()) << i << " " << finished.exit.status();
    ASSERT_EQ(finished.exit->code, 0);
  }
  EXPECT_EQ(OpenDescriptors(getpid()), ours);
  // It closes a connection after its last answer, so perhaps after we have read that.
  EXPECT_TRUE(Comes([&] { return OpenDescriptors(sandbox.pid()) <= theirs; }))
      << OpenDescriptors(sandbox.pid()) << " descriptors, at first " << theirs;
  std::string status;
  std::ifstream children("/proc/" + std::to_string(sandbox.pid()) + "/task/" +
                         std::to_string(sandbox.pid()) + "/children");
  EXPECT_FALSE(children >> status) << "a child is left: " << status;
}

TEST(SocketClientTest, FiftyAtOnce) {
  TestSandbox sandbox;
  std::vector<std::thread> threads;
  std::vector<Finished> finished(50);
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&, i] {
      finished[i] = sandbox.Run(sandbox.Shell("cat; exit " + std::to_string(i)), std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(finished[i].exit.ok()) << finished[i].exit.status();
    EXPECT_EQ(finished[i].exit->code, i);
    EXPECT_EQ(finished[i].out, std::to_string(i));
  }
}

TEST(SocketClientTest, BackgroundProcessSurvivesItsCommand) {
  TestSandbox sandbox;
  Finished finished = sandbox.Run(
      sandbox.Shell("mkfifo go; (cat go >/dev/null; echo done >left) >/dev/null 2>&1 & exit 0"));
  ASSERT_EQ(finished.exit->code, 0);
  finished =
      sandbox.Run(sandbox.Shell("echo >go; while [ ! -s left ]; do sleep 0.01; done; cat left"));
  EXPECT_EQ(finished.out, "done\n");
}

TEST(SocketClientTest, CommandSurvivesItsConnectionAndOrphansAreReaped) {
  TestSandbox sandbox;
  ExecStreams streams;
  auto handle = sandbox.client()->Exec(sandbox.Shell("echo $$; cat >/dev/null; echo end"), -1,
                                       &streams, TestSandbox::kTimeout);
  ASSERT_TRUE(handle.ok());
  int pid = std::stoi(TestSandbox::ReadUntil(streams.stdout_read.get(), "\n"));
  handle->reset();
  ASSERT_TRUE(sandbox.Run(Command({"true"})).exit.ok());
  streams.stdin_write.reset();
  EXPECT_EQ(TestSandbox::ReadToEnd(streams.stdout_read.get()), "end\n");
  Finished finished = sandbox.Run(
      sandbox.Shell("while [ -d /proc/" + std::to_string(pid) + " ]; do sleep 0.01; done"));
  EXPECT_EQ(finished.exit->code, 0);
}

}  // namespace
}  // namespace paddock::nodeagent
