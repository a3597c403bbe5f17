#include "nodeagent/init/fallback_client.h"

#include <gmock/gmock.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nodeagent/init/helper_client.h"
#include "nodeagent/init/protocol.h"
#include "nodeagent/init/test_sandbox.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/spawn.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Milliseconds(200);

// The program as a helper, as an ordinary process instead of one that a runtime started.
HelperOptions OrdinaryHelpers(std::vector<UniqueFd>* helpers, bool passes_stdio) {
  HelperOptions options;
  options.passes_stdio = passes_stdio;
  options.start = [helpers, passes_stdio](const HelperDescriptors& descriptors,
                                          absl::Duration timeout) -> absl::StatusOr<UniqueFd> {
    SpawnSpec spec;
    spec.argv = {PADDOCK_INIT_BINARY,
                 passes_stdio ? init_protocol::kHelperKills : init_protocol::kHelper};
    spec.fds = {{descriptors.connection, init_protocol::kHelperFd}};
    if (passes_stdio) {
      spec.fds.insert(spec.fds.end(), {{descriptors.stdin_read, 0},
                                       {descriptors.stdout_write, 1},
                                       {descriptors.stderr_write, 2}});
    }
    absl::StatusOr<SpawnedProcess> process = Spawn(spec);
    if (!process.ok()) return process.status();
    UniqueFd copy(fcntl(process->pidfd.get(), F_DUPFD_CLOEXEC, 0));
    helpers->push_back(std::move(process->pidfd));
    return copy;
  };
  return options;
}

class FallbackClientTest : public ::testing::Test {
 protected:
  FallbackClientTest() { health_ = std::make_shared<InitHealth>(sandbox_.socket_path()); }
  ~FallbackClientTest() override {
    kill(sandbox_.pid(), SIGCONT);
    for (const UniqueFd& helper : helpers_) EXPECT_TRUE(WaitForExit(helper.get(), kTimeout).ok());
  }

  // Runs a shell command; what came of it and its output.
  absl::StatusOr<std::string> Run(const std::string& script) {
    FallbackOptions options;
    options.patience = kPatience;
    options.fallback = MakeHelperClient(OrdinaryHelpers(&helpers_, /*passes_stdio=*/false));
    options.kill_command = kill_command_;
    options.on_silence = [this](const absl::Status&) { ++silences_; };
    // Stands for the command's cgroup: joining writes into it.
    UniqueFd cgroup(open("/dev/null", O_WRONLY | O_CLOEXEC));
    ExecStreams streams;
    auto handle = MakeFallbackClient(health_, std::move(options))
                      ->Exec(sandbox_.Shell(script), cgroup.get(), &streams, kTimeout);
    if (!handle.ok()) return handle.status();
    const std::string output = TestSandbox::ReadToEnd(streams.stdout_read.get());
    const absl::Status ended = WaitReadable((*handle)->exit_fd(), kTimeout);
    if (!ended.ok()) return ended;
    return absl::StrCat(output, (*handle)->TakeExit()->code);
  }

  static constexpr absl::Duration kTimeout = TestSandbox::kTimeout;
  TestSandbox sandbox_;
  std::shared_ptr<InitHealth> health_;
  std::vector<UniqueFd> helpers_;
  std::function<absl::Status()> kill_command_ = [] { return absl::OkStatus(); };
  int silences_ = 0;
};

TEST_F(FallbackClientTest, AsksPid1WhileItAnswers) {
  EXPECT_EQ(*Run("echo a; exit 3"), "a\n3");
  EXPECT_TRUE(helpers_.empty());
  EXPECT_EQ(silences_, 0);
}

TEST_F(FallbackClientTest, TheCommandsOwnFaultsAreNoSilence) {
  absl::Status status = Run(std::string("a\0b", 3)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(helpers_.empty());
}

TEST_F(FallbackClientTest, StartsWhatAStoppedPid1DoesNotAndSaysItOnce) {
  ASSERT_EQ(kill(sandbox_.pid(), SIGSTOP), 0);
  EXPECT_EQ(*Run("echo a; exit 3"), "a\n3");
  EXPECT_EQ(*Run("echo b"), "b\n0");
  EXPECT_EQ(helpers_.size(), 2U);
  EXPECT_EQ(silences_, 1);
}

TEST_F(FallbackClientTest, StartsWhatNobodyListensFor) {
  health_ = std::make_shared<InitHealth>(sandbox_.directory() + "/no-such-socket");
  EXPECT_EQ(*Run("echo a"), "a\n0");
  EXPECT_EQ(*Run("echo b"), "b\n0");
  EXPECT_EQ(helpers_.size(), 2U);
}

TEST_F(FallbackClientTest, ARevokedCommandIsNeverStartedByPid1) {
  ASSERT_EQ(kill(sandbox_.pid(), SIGSTOP), 0);
  EXPECT_EQ(*Run("echo x >> log"), "0");
  ASSERT_EQ(kill(sandbox_.pid(), SIGCONT), 0);
  // PID 1 serves in the order of asking, so it has refused the other by the end of these.
  EXPECT_EQ(sandbox_.Run(sandbox_.Shell("cat log")).out, "x\n");
  EXPECT_EQ(sandbox_.Run(sandbox_.Shell("cat log")).out, "x\n");
}

TEST_F(FallbackClientTest, Pid1ThatWakesWhileItIsRevokedIsNoDanger) {
  ASSERT_EQ(kill(sandbox_.pid(), SIGSTOP), 0);
  kill_command_ = [this] {
    EXPECT_EQ(kill(sandbox_.pid(), SIGCONT), 0);
    // It answers this one after the other.
    EXPECT_EQ(sandbox_.Run(sandbox_.Shell("exit 0")).exit->code, 0);
    return absl::OkStatus();
  };
  EXPECT_EQ(*Run("echo x >> log; cat log"), "x\n0");
  EXPECT_EQ(sandbox_.Run(sandbox_.Shell("cat log")).out, "x\n");
}

TEST_F(FallbackClientTest, DoesNotFallBackWhenTheCommandMayRun) {
  ASSERT_EQ(kill(sandbox_.pid(), SIGSTOP), 0);
  kill_command_ = [] { return absl::DeadlineExceededError("processes are left"); };
  const absl::Status status = Run("echo x").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("can't be known: processes are left"));
  EXPECT_TRUE(helpers_.empty());
}

TEST_F(FallbackClientTest, DoesNotFallBackWhenTheCommandHadBegun) {
  // A PID 1 that takes the request, and says that it started it when it is too late.
  TestSandbox::Listener listener(sandbox_.directory() + "/late.sock");
  health_ = std::make_shared<InitHealth>(listener.path());
  UniqueFd connection;
  kill_command_ = [&] {
    connection = listener.Accept();
    init_protocol::Reply reply = {};
    reply.magic = init_protocol::kMagic;
    reply.version = init_protocol::kVersion;
    reply.type = static_cast<uint16_t>(init_protocol::ReplyType::kStarted);
    reply.pid = 7;
    return SendPacket(connection.get(), {reinterpret_cast<char*>(&reply), sizeof(reply)}, {});
  };
  const absl::Status status = Run("echo x").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("had begun"));
  EXPECT_TRUE(helpers_.empty());
}

TEST_F(FallbackClientTest, AsksAgainOncePid1Answers) {
  ASSERT_EQ(kill(sandbox_.pid(), SIGSTOP), 0);
  EXPECT_EQ(*Run("echo a"), "a\n0");
  EXPECT_FALSE(health_->ShouldAsk());
  ASSERT_EQ(kill(sandbox_.pid(), SIGCONT), 0);
  // Behind the question in the queue.
  EXPECT_EQ(sandbox_.Run(sandbox_.Shell("exit 0")).exit->code, 0);
  EXPECT_TRUE(health_->ShouldAsk());
  EXPECT_EQ(*Run("echo b"), "b\n0");
  EXPECT_EQ(helpers_.size(), 1U);
}

TEST_F(FallbackClientTest, PassedStdioIsTheCommandsOwn) {
  const auto client = MakeHelperClient(OrdinaryHelpers(&helpers_, /*passes_stdio=*/true));
  ExecStreams streams;
  auto handle = client->Exec(sandbox_.Shell("cat; echo err >&2; exit 5"), -1, &streams, kTimeout);
  ASSERT_TRUE(handle.ok()) << handle.status();
  ASSERT_EQ(write(streams.stdin_write.get(), "in", 2), 2);
  streams.stdin_write.reset();
  EXPECT_EQ(TestSandbox::ReadToEnd(streams.stdout_read.get()), "in");
  EXPECT_EQ(TestSandbox::ReadToEnd(streams.stderr_read.get()), "err\n");
  ASSERT_TRUE(WaitReadable((*handle)->exit_fd(), kTimeout).ok());
  EXPECT_EQ((*handle)->TakeExit()->code, 5);
}

TEST_F(FallbackClientTest, AHelperThatKillsEndsTheWholeTree) {
  const auto client = MakeHelperClient(OrdinaryHelpers(&helpers_, /*passes_stdio=*/true));
  ExecStreams streams;
  auto handle = client->Exec(
      sandbox_.Shell("setsid sh -c 'sleep 1000 & sleep 1000' & sleep 1000 & echo ready; wait"), -1,
      &streams, kTimeout);
  ASSERT_TRUE(handle.ok()) << handle.status();
  EXPECT_EQ(TestSandbox::ReadUntil(streams.stdout_read.get(), "\n"), "ready\n");
  // As when the agent is gone: nobody is there to kill the helper.
  UniqueFd helper(fcntl(helpers_[0].get(), F_DUPFD_CLOEXEC, 0));
  shutdown((*handle)->exit_fd(), SHUT_RDWR);
  // Everybody who held it has ended.
  EXPECT_EQ(TestSandbox::ReadToEnd(streams.stdout_read.get()), "");
  ASSERT_TRUE(WaitReadable(helper.get(), kTimeout).ok());
}

}  // namespace
}  // namespace paddock::nodeagent
