// Commands in sandboxes whose PID 1 doesn't answer, with the real runtimes.

#include <sys/stat.h>

#include "nodeagent/init/socket_client.h"
#include "tests/privileged/helper_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Crun {
  static constexpr char kName[] = "crun";
};
struct Runc {
  static constexpr char kName[] = "runc";
};

// A sandbox whose PID 1 is stopped before the first command.
template <typename Runtime>
class HelperTest : public HelperFixture {
 protected:
  static void SetUpTestSuite() { MakeAgent(Runtime::kName); }
  void SetUp() override {
    HelperFixture::SetUp();
    if (IsSkipped()) return;
    StartSandbox();
    StopPid1();
  }
};
using Runtimes = ::testing::Types<Crun, Runc>;
TYPED_TEST_SUITE(HelperTest, Runtimes);

TYPED_TEST(HelperTest, StartsCommandsAsPid1Would) {
  EXPECT_EQ(this->Say("id -u; id -g; pwd; hostname; echo $HOME $USER"),
            "0\n0\n/workspace\nsandbox\n/root root\n");
  EXPECT_EQ(this->Say("id -u; id -g; echo $HOME; echo to-err >/dev/stderr", "user"),
            "1000\n1000\n/tmp\nto-err\n");
  EXPECT_EQ(this->Say("id -u; id -g", "user:root"), "1000\n0\n");
  EXPECT_THAT(this->Say("grep Cap /proc/self/status; grep Seccomp: /proc/self/status"),
              AllOf(HasSubstr("CapBnd:\t00000000800005fb"), HasSubstr("CapEff:\t00000000800005fb"),
                    HasSubstr("CapInh:\t0000000000000000"), HasSubstr("Seccomp:\t2")));
  EXPECT_THAT(this->Say("grep CapEff /proc/self/status", "user"),
              HasSubstr("CapEff:\t0000000000000000"));
  ExecSpec spec = this->ShellSpec("pwd; echo $COLOUR $PATH");
  spec.cwd = "/tmp";
  spec.env = {{"COLOUR", "blue"}};
  EXPECT_THAT(this->Run(spec)->output, StartsWith("/tmp\nblue /usr/local/sbin:"));
  EXPECT_EQ(this->Say("ls /proc/self/fd"), "0\n1\n2\n3\n") << "3 is ls's own";
}

TYPED_TEST(HelperTest, TellsHowCommandsEnd) {
  EXPECT_EQ(this->Run(this->ShellSpec("exit 7"))->code, 7);
  EXPECT_EQ(this->Run(this->ShellSpec("kill -9 $$"))->signal, SIGKILL);
  ExecSpec spec;
  spec.command = {"no-such-program"};
  absl::StatusOr<CommandResult> result = this->Run(spec);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->code, 127);
  EXPECT_EQ(result->output, "exec: no-such-program: command not found\n");
  spec.command = {"/etc/passwd"};
  EXPECT_EQ(this->Run(spec)->code, 126);
  spec = this->ShellSpec("true", "nobody-here");
  EXPECT_THAT(std::string(this->Run(spec).status().message()), HasSubstr("\"nobody-here\""));
  spec = this->ShellSpec("true");
  spec.cwd = "/no/such/directory";
  EXPECT_TRUE(absl::IsInvalidArgument(this->Run(spec).status()));
}

TYPED_TEST(HelperTest, PassesInputAndSignals) {
  ExecSpec cat;
  cat.command = {"cat"};
  EXPECT_EQ(this->Run(cat, "through the pipe")->output, "through the pipe");
  ExecStreams streams;
  auto handle = this->Begin(
      this->ShellSpec("trap 'echo got it; exit 3' TERM; echo ready; sleep 60 & wait"), &streams);
  ASSERT_NE(handle, nullptr);
  EXPECT_GT(handle->pid(), 1);
  this->ReadUntil(streams.stdout_read.get(), "ready\n");
  ASSERT_TRUE(handle->Signal(SIGTERM).ok());
  EXPECT_EQ(this->ReadUntil(streams.stdout_read.get(), "\n"), "got it\n");
  EXPECT_EQ(this->Wait(handle.get())->code, 3);
}

TYPED_TEST(HelperTest, OffersTerminals) {
  ExecSpec spec = this->ShellSpec("tty; stty size; read x; stty size; sleep 60");
  spec.tty = true;
  spec.rows = 30;
  spec.cols = 100;
  ExecStreams streams;
  auto handle = this->Begin(spec, &streams);
  ASSERT_NE(handle, nullptr);
  const int terminal = streams.terminal.get();
  EXPECT_EQ(this->ReadUntil(terminal, "100\r\n"), "/dev/pts/0\r\n30 100\r\n");
  ASSERT_TRUE(handle->Resize(40, 120).ok());
  ASSERT_EQ(write(terminal, "\n", 1), 1);
  EXPECT_THAT(this->ReadUntil(terminal, "120\r\n"), HasSubstr("40 120\r\n"));
  ASSERT_EQ(write(terminal, "\x03", 1), 1);
  EXPECT_EQ(this->Wait(handle.get())->signal, SIGINT);
}

TYPED_TEST(HelperTest, CancellingKillsTheTreeAndLeavesNothing) {
  this->Say("true");
  const RuntimeFixture::Census before = this->Count();
  const std::vector<std::string> bundle = ListDirectory(this->spec_->bundle_dir).value();
  ExecStreams streams;
  auto handle = this->Begin(
      this->ShellSpec("(setsid sleep 1000 &) ; sleep 1000 & echo ready; wait"), &streams);
  ASSERT_NE(handle, nullptr);
  this->ReadUntil(streams.stdout_read.get(), "ready\n");
  EXPECT_FALSE(this->cgroups_->IsEmpty(this->ExecCgroup()));
  const absl::Status killed = this->cgroups_->Kill(this->ExecCgroup(), this->kTimeout);
  EXPECT_TRUE(killed.ok()) << killed;
  EXPECT_TRUE(this->cgroups_->Remove(this->ExecCgroup()).ok());
  handle.reset();
  streams = ExecStreams();
  this->ExpectNoMoreThan(before);
  EXPECT_EQ(ListDirectory(this->spec_->bundle_dir).value(), bundle);
  // Zombies belong to PID 1, which is stopped.
  EXPECT_EQ(this->Say("ps -o stat,comm | grep sleep | grep -vc Z"), "0\n");
  EXPECT_EQ(this->Say("ps -o comm | grep -v COMMAND | sort -u | grep -c init"), "1\n");
}

TYPED_TEST(HelperTest, BackgroundProcessesOutliveTheirCommand) {
  ExecSpec spec = this->ShellSpec("sleep 1000 >/dev/null 2>&1 & echo $!");
  const absl::StatusOr<CommandResult> result = this->Run(spec);
  ASSERT_TRUE(result.ok()) << result.status();
  const std::string cgroup = this->ExecCgroup();
  EXPECT_EQ(result->code, 0);
  EXPECT_FALSE(this->cgroups_->IsEmpty(cgroup));
  EXPECT_EQ(this->Say(absl::StrCat("kill -0 ", result->output.substr(0, result->output.size() - 1),
                                   " && echo alive")),
            "alive\n");
}

TYPED_TEST(HelperTest, FilesGoInAndOut) {
  const std::string text(20'000, 'x');
  const absl::StatusOr<CommandResult> written =
      this->Run(*WriteFileCommand("/workspace/a/file", 0640),
                WriteFrame(text.size()) + text + WriteEnd(text.size()));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->code, 0);
  EXPECT_EQ(this->Run(*ReadFileCommand("/workspace/a/file", 0, 0))->output, text);
  EXPECT_THAT(this->Run(*ListDirectoryCommand("/workspace/a"))->output, HasSubstr("file"));
  EXPECT_EQ(this->Run(*ReadFileCommand("/workspace/none", 0, 0))->code, 1);
}

TYPED_TEST(HelperTest, WorksAfterTheWorstAndForAnotherAgent) {
  this->Say("rm -rf /.paddock /bin/sh; mkdir -p /.paddock; echo bad > /.paddock/init");
  ExecSpec spec;
  spec.command = {"/bin/busybox", "echo", "alive"};
  EXPECT_EQ(this->Run(spec)->output, "alive\n");
  // A restarted agent knows no more than the record.
  this->clients_ = std::make_unique<ExecClients>(&this->resources_, this->kPatience);
  EXPECT_EQ(this->Run(spec)->output, "alive\n");
}

TYPED_TEST(HelperTest, AsksPid1AgainOnceItAnswers) {
  // Asked in vain once, then not waited for.
  EXPECT_EQ(this->Say("echo one"), "one\n");
  const absl::Duration begun = Clock::Real()->Monotonic();
  EXPECT_NE(this->Say("echo $PPID"), "1\n");
  EXPECT_LT(Clock::Real()->Monotonic() - begun, this->kPatience);
  ASSERT_EQ(kill(this->container_.pid, SIGCONT), 0);
  const absl::Duration deadline = Clock::Real()->Monotonic() + this->kTimeout;
  while (this->Say("echo $PPID") != "1\n" && Clock::Real()->Monotonic() < deadline) {
  }
  EXPECT_EQ(this->Say("echo $PPID"), "1\n");
}

TYPED_TEST(HelperTest, NeverStartsACommandTwice) {
  EXPECT_EQ(this->Say("echo once >> /workspace/log"), "");
  ASSERT_EQ(kill(this->container_.pid, SIGCONT), 0);
  // Whatever PID 1 was asked meanwhile, it has answered by now.
  ExecSpec probe = this->ShellSpec("cat /workspace/log");
  EXPECT_EQ(RunBy(MakeInitClient(this->spec_->init_socket).get(), probe)->output, "once\n");
  EXPECT_EQ(RunBy(MakeInitClient(this->spec_->init_socket).get(), probe)->output, "once\n");
}

}  // namespace
}  // namespace paddock::nodeagent
