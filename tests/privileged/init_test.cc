// PID 1 in a real sandbox, whose root does its worst.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "nodeagent/init/file_protocol.h"
#include "nodeagent/init/files.h"
#include "nodeagent/init/init_connection.h"
#include "nodeagent/init/socket_client.h"
#include "nodeagent/runtime/runtime_factory.h"
#include "nodeagent/system/file.h"
#include "tests/privileged/test_sandbox.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint32_t kUidBase = 0x7b000000;
constexpr char kSubtree[] = "paddock-test/init";
constexpr char kId[] = "sesn_init";
constexpr absl::Duration kTimeout = absl::Seconds(20);

class InitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    // Commands may end before they have read their input.
    signal(SIGPIPE, SIG_IGN);
    absl::StatusOr<std::string> root = MakeBusyboxRoot(scratch_.path());
    ASSERT_TRUE(root.ok()) << root.status();
    absl::StatusOr<std::unique_ptr<CgroupManager>> cgroups = MakeCgroupManager(kSubtree);
    ASSERT_TRUE(cgroups.ok()) << cgroups.status();
    cgroups_ = *std::move(cgroups);
    SandboxLimits capacity;
    capacity.cpu_millis = 2000;
    capacity.memory_bytes = int64_t{4} << 30;
    capacity.pids = 4096;
    ASSERT_TRUE(cgroups_->Prepare(capacity).ok());
    OciRuntimeOptions options;
    options.init_path = PADDOCK_INIT_BINARY;
    absl::StatusOr<OciRuntimes> runtimes = MakeOciRuntimes(options, cgroups_.get());
    ASSERT_TRUE(runtimes.ok()) << runtimes.status();
    runtimes_ = std::make_unique<OciRuntimes>(*std::move(runtimes));
    absl::StatusOr<TestSandbox> sandbox = PrepareSandbox(scratch_.path(), *root, kId, kUidBase);
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    sandbox_ = *std::move(sandbox);
    absl::StatusOr<RunningContainer> container =
        runtimes_->standard->Start(sandbox_.spec, kTimeout);
    ASSERT_TRUE(container.ok()) << container.status();
    container_ = *container;
    client_ = MakeInitClient(sandbox_.spec.init_socket);
  }

  void TearDown() override {
    if (runtimes_ == nullptr) return;
    EXPECT_TRUE(runtimes_->standard->Destroy(sandbox_.spec, kTimeout).ok());
    runtimes_.reset();
    EXPECT_TRUE(cgroups_->RemoveSubtree().ok());
  }

  std::string Shell(const std::string& script, const std::string& user = "") {
    absl::StatusOr<CommandResult> result = ShellInside(sandbox_.spec, script, user);
    EXPECT_TRUE(result.ok()) << script << ": " << result.status();
    return result.ok() ? result->output : "";
  }

  // Starts a command in a cgroup of its own and leaves it running.
  std::unique_ptr<ExecHandle> StartInCgroup(const std::string& script, const std::string& exec_id,
                                            ExecStreams* streams) {
    absl::StatusOr<int> procs = cgroups_->CreateExec(kId, exec_id);
    EXPECT_TRUE(procs.ok()) << procs.status();
    UniqueFd owned(*procs);
    ExecSpec spec;
    spec.command = {"/bin/sh", "-c", script};
    auto handle = client_->Exec(spec, owned.get(), streams, kTimeout);
    EXPECT_TRUE(handle.ok()) << handle.status();
    return handle.ok() ? *std::move(handle) : nullptr;
  }

  void KillExec(const std::string& exec_id) {
    std::string name = absl::StrCat(kId, "/exec-", exec_id);
    absl::Status killed = cgroups_->Kill(name, kTimeout);
    EXPECT_TRUE(killed.ok()) << killed;
    EXPECT_TRUE(cgroups_->Remove(name).ok());
  }

  absl::Status WriteFileInside(const std::string& path, const std::string& text) {
    absl::StatusOr<ExecSpec> spec = WriteFileCommand(path, 0);
    ExecStreams streams;
    auto handle = client_->Exec(*spec, -1, &streams, kTimeout);
    if (!handle.ok()) return handle.status();
    std::string input = WriteFrame(text.size()) + text + WriteEnd(text.size());
    // It fails where the command has failed already.
    [[maybe_unused]] ssize_t sent = write(streams.stdin_write.get(), input.data(), input.size());
    streams.stdin_write.reset();
    absl::Status ended = WaitReadable((*handle)->exit_fd(), kTimeout);
    if (!ended.ok()) return ended;
    absl::StatusOr<ExecExit> exit = (*handle)->TakeExit();
    if (!exit.ok()) return exit.status();
    char record[kMaxFileErrorBytes];
    ssize_t size = read(streams.stderr_read.get(), record, sizeof(record));
    return FileCommandStatus(*exit, {record, static_cast<size_t>(size < 0 ? 0 : size)}, path);
  }

  ScratchDirectory scratch_;
  std::unique_ptr<CgroupManager> cgroups_;
  std::unique_ptr<OciRuntimes> runtimes_;
  TestSandbox sandbox_;
  RunningContainer container_;
  std::unique_ptr<InitClient> client_;
};

TEST_F(InitTest, RootInsideCannotLookIntoIt) {
  EXPECT_EQ(Shell("readlink /proc/self/ns/pid >/dev/null && cat /proc/1/comm"), "init\n");
  // Opening mem asks the kernel exactly what attaching with ptrace asks.
  for (const char* file : {"mem", "maps", "environ", "auxv", "stack"}) {
    EXPECT_THAT(Shell(absl::StrCat("dd if=/proc/1/", file, " bs=1 count=1 2>&1 >/dev/null")),
                HasSubstr("ermission denied"))
        << file;
  }
  EXPECT_THAT(Shell("ls -l /proc/1/fd 2>&1"), HasSubstr("ermission denied"));
  EXPECT_THAT(Shell("readlink /proc/1/exe || echo hidden"), HasSubstr("hidden"));
}

TEST_F(InitTest, ItsSocketIsOutOfReach) {
  EXPECT_EQ(Shell("find / -xdev -type s 2>/dev/null"), "");
  EXPECT_THAT(Shell("cat /proc/net/unix"), Not(HasSubstr("init.sock")));
  EXPECT_EQ(Shell("ls /proc/self/fd"), "0\n1\n2\n3\n") << "3 is ls's own";
}

TEST_F(InitTest, SurvivesSignals) {
  Shell("kill -9 1; kill -TERM 1; kill -SEGV 1; kill -STOP 1; kill -CHLD 1; kill -HUP 1");
  Shell("for i in $(seq 1 64); do kill -$i 1; done 2>/dev/null");
  absl::StatusOr<CommandResult> result = ShellInside(sandbox_.spec, "kill -9 -1");
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Shell("echo alive"), "alive\n");
}

TEST_F(InitTest, ReapsWhatIsLeftToIt) {
  Shell("for i in $(seq 100); do (sleep 0 &) ; done");
  EXPECT_EQ(Shell("n=0; while ps -o stat | grep -q Z && [ $n -lt 100 ]; do n=$((n+1)); "
                  "usleep 50000; done; ps -o stat | grep -c Z"),
            "0\n");
}

TEST_F(InitTest, ForkBombIsAClearErrorAndEndsWithItsCgroup) {
  ExecStreams streams;
  auto bomb = StartInCgroup("b() { b | b & b; }; b 2>/dev/null", "bomb", &streams);
  ASSERT_NE(bomb, nullptr);
  ExecSpec spec;
  spec.command = {"/bin/true"};
  ExecStreams none;
  absl::Status status;
  absl::Duration deadline = Clock::Real()->Monotonic() + kTimeout;
  while (!absl::IsResourceExhausted(status) && Clock::Real()->Monotonic() < deadline) {
    status = client_->Exec(spec, -1, &none, kTimeout).status();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("process limit"));
  KillExec("bomb");
  EXPECT_EQ(Shell("echo alive"), "alive\n");
}

TEST_F(InitTest, MemoryHogEndsBeforeIt) {
  absl::StatusOr<CommandResult> result = RunInside(
      sandbox_.spec, {"/bin/sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"}, kTimeout);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->signal == SIGKILL || result->code != 0);
  // Memory that no process's end gives back.
  Shell("dd if=/dev/zero of=/dev/shm/fill bs=1M 2>/dev/null");
  Shell("rm -f /dev/shm/fill");
  EXPECT_TRUE(runtimes_->standard->IsAlive(container_));
  EXPECT_EQ(Shell("echo alive"), "alive\n");
}

TEST_F(InitTest, DescriptorEaterHarmsNobodyElse) {
  ExecStreams streams;
  auto eater = StartInCgroup(
      "ulimit -n 100000; i=10; while [ $i -lt 1000 ]; do eval \"exec $i</dev/null\" || break; "
      "i=$((i+1)); done 2>/dev/null; echo full; cat",
      "eater", &streams);
  ASSERT_NE(eater, nullptr);
  ASSERT_TRUE(WaitReadable(streams.stdout_read.get(), kTimeout).ok());
  EXPECT_EQ(Shell("echo alive"), "alive\n");
  KillExec("eater");
}

TEST_F(InitTest, TerminalsAreTheSandboxsOwnAndBounded) {
  ExecSpec spec;
  spec.command = {"/bin/sh", "-c", "tty; stty size; cat"};
  spec.tty = true;
  std::vector<ExecStreams> streams(100);
  std::vector<std::unique_ptr<ExecHandle>> handles;
  absl::Status status;
  for (ExecStreams& terminal : streams) {
    auto handle = client_->Exec(spec, -1, &terminal, kTimeout);
    status = handle.status();
    if (!status.ok()) break;
    handles.push_back(*std::move(handle));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(handles.size(), 64u);
  std::string text;
  while (text.find('\n') == std::string::npos) {
    char byte;
    ASSERT_TRUE(WaitReadable(streams[0].terminal.get(), kTimeout).ok());
    if (read(streams[0].terminal.get(), &byte, 1) == 1) text += byte;
  }
  EXPECT_EQ(text, "/dev/pts/0\r\n");
}

TEST_F(InitTest, OtherUsersGetTheirStdioAndNoCapabilities) {
  EXPECT_EQ(Shell("echo to-err >/dev/stderr", "user"), "to-err\n");
  EXPECT_EQ(Shell("echo to-out >/dev/stdout", "user"), "to-out\n");
  EXPECT_THAT(Shell("grep CapEff /proc/self/status; id -u; echo $HOME", "user"),
              HasSubstr("CapEff:\t0000000000000000\n1000\n/tmp\n"));
  ExecSpec spec;
  spec.command = {"/bin/true"};
  spec.user = "4000000";
  ExecStreams streams;
  absl::Status status = client_->Exec(spec, -1, &streams, kTimeout).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << "outside of the range of ids: " << status;
}

TEST_F(InitTest, WritesFilesWholeOnTheOverlay) {
  ASSERT_TRUE(WriteFileInside("/workspace/a/b/new", "one").ok());
  ASSERT_TRUE(WriteFileInside("/workspace/a/b/new", "two").ok());
  ASSERT_TRUE(WriteFileInside("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n").ok());
  EXPECT_EQ(Shell("cat /workspace/a/b/new; ls -A /workspace /workspace/a/b; cat /etc/passwd"),
            "two/workspace:\na\n\n/workspace/a/b:\nnew\nroot:x:0:0:root:/root:/bin/sh\n");
  Shell("ln -s /../../../../tmp/escaped /workspace/link");
  ASSERT_TRUE(WriteFileInside("/workspace/link", "inside").ok());
  EXPECT_EQ(Shell("cat /tmp/escaped"), "inside");
  EXPECT_TRUE(absl::IsFailedPrecondition(WriteFileInside("/etc/hosts", "x"))) << "a mount point";
  EXPECT_FALSE(WriteFileInside("/proc/new", "x").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(WriteFileInside("/sys/kernel/new", "x")) ||
              absl::IsPermissionDenied(WriteFileInside("/sys/kernel/new", "x")));
}

TEST_F(InitTest, FileCommandsWorkAfterTheWorst) {
  Shell(
      "mv /.paddock /hidden; mkdir -p /.paddock; printf '#!/bin/sh\\nexit 0\\n' "
      ">/.paddock/init; chmod 755 /.paddock/init");
  ASSERT_TRUE(WriteFileInside("/workspace/f", "real").ok());
  EXPECT_EQ(Shell("cat /workspace/f"), "real");
  absl::StatusOr<CommandResult> removed =
      RunInside(sandbox_.spec,
                {"/bin/busybox", "rm", "-rf", "/bin", "/etc", "/root", "/tmp", "/workspace",
                 "/hidden", "/.paddock"},
                kTimeout);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_TRUE(WriteFileInside("/back/again", "x").ok());
  absl::StatusOr<ExecSpec> list = ListDirectoryCommand("/");
  ExecStreams streams;
  auto handle = client_->Exec(*list, -1, &streams, kTimeout);
  ASSERT_TRUE(handle.ok()) << handle.status();
  ASSERT_TRUE(WaitReadable((*handle)->exit_fd(), kTimeout).ok());
  EXPECT_EQ((*handle)->TakeExit()->code, 0);
  ExecSpec gone;
  gone.command = {"/bin/true"};
  gone.cwd = "/workspace";
  absl::Status status = client_->Exec(gone, -1, &streams, kTimeout).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << "cwd is gone: " << status;
}

}  // namespace
}  // namespace paddock::nodeagent
