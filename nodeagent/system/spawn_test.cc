#include "nodeagent/system/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/sealed_program.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

std::string Output(const SpawnSpec& spec) {
  const absl::StatusOr<std::string> output = RunChecked(spec);
  EXPECT_TRUE(output.ok()) << output.status();
  return output.value_or("");
}

SpawnSpec Shell(const std::string& script) {
  SpawnSpec spec;
  spec.argv = {"sh", "-c", script};
  return spec;
}

TEST(SpawnTest, PassesArgumentsAsTheyAre) {
  SpawnSpec spec;
  spec.argv = {"printf", "%s|", "a b", "$HOME", "`x`", ""};
  EXPECT_EQ(Output(spec), "a b|$HOME|`x`||");
}

TEST(SpawnTest, GivesTheEnvironmentAndDirectoryItWasTold) {
  SpawnSpec spec = Shell("echo $A:$HOME; pwd");
  spec.env = {"A=1"};
  spec.cwd = "/tmp";
  EXPECT_EQ(Output(spec), "1:\n/tmp\n");
}

TEST(SpawnTest, NamesWhatIsMissing) {
  SpawnSpec spec;
  spec.argv = {"no-such-program"};
  EXPECT_TRUE(absl::IsNotFound(Spawn(spec).status()));
  spec.argv = {"/no/such/program"};
  EXPECT_TRUE(absl::IsNotFound(Spawn(spec).status()));
  spec.argv = {"true"};
  spec.cwd = "/no/such/directory";
  EXPECT_TRUE(absl::IsNotFound(Spawn(spec).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Spawn(SpawnSpec{}).status()));
}

TEST(SpawnTest, HandsOverNamedDescriptorsAndNoOthers) {
  const int leaky = open("/dev/null", O_RDONLY);  // Not close-on-exec.
  ASSERT_GE(leaky, 3);
  SpawnSpec spec = Shell("ls /proc/$$/fd");
  spec.fds = {{leaky, 7}};
  EXPECT_EQ(Output(spec), "0\n1\n2\n7\n");
  close(leaky);
}

TEST(SpawnTest, SwapsDescriptorsWithoutOverwriting) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const UniqueFd read_end(pipe_fds[0]), write_end(pipe_fds[1]);
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  SpawnSpec spec = Shell(absl::StrCat("readlink /proc/$$/fd/", read_end.get(), " /proc/$$/fd/",
                                      null.get(), " | sed s/:.*//"));
  // Each under the other's number.
  spec.fds = {{read_end.get(), null.get()}, {null.get(), read_end.get()}};
  EXPECT_EQ(Output(spec), "/dev/null\npipe\n");
}

TEST(SpawnTest, LeadsASessionWithDefaultSignals) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const sighandler_t old = signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(Output(Shell("[ $$ = $(cut -d' ' -f6 /proc/$$/stat) ] && echo leader")), "leader\n");
  SpawnSpec grep;  // No shell, which has masks of its own.
  grep.argv = {"grep", "-E", "SigBlk|SigIgn", "/proc/self/status"};
  EXPECT_EQ(Output(grep), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  signal(SIGPIPE, old);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(SpawnTest, LowersLimits) {
  SpawnSpec spec = Shell("ulimit -Sn; ulimit -Hn");
  spec.limits = {{RLIMIT_NOFILE, 123}};
  EXPECT_EQ(Output(spec), "123\n123\n");
}

TEST(SpawnTest, ExecutesASealedProgram) {
  const absl::StatusOr<UniqueFd> program = SealProgram("/bin/echo");
  ASSERT_TRUE(program.ok()) << program.status();
  SpawnSpec spec;
  spec.argv = {"whatever", "sealed"};
  spec.program_fd = program->get();
  EXPECT_EQ(Output(spec), "sealed\n");
  EXPECT_LT(open(absl::StrCat("/proc/self/fd/", program->get()).c_str(), O_RDWR | O_TRUNC), 0);
}

}  // namespace
}  // namespace paddock::nodeagent
