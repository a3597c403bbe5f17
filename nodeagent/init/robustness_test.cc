// The sandbox program and its client when something goes wrong.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "nodeagent/init/protocol.h"
#include "nodeagent/init/socket_client.h"
#include "nodeagent/init/test_sandbox.h"
#include "nodeagent/init/wire.h"

namespace paddock::nodeagent {
namespace {

ExecSpec Command(std::vector<std::string> command) {
  ExecSpec spec;
  spec.command = std::move(command);
  spec.cwd = "/";
  return spec;
}

TEST(RobustnessTest, StoppedChildHoldsNobodyUp) {
  // As a sandboxed `kill -STOP -1` at the worst instant would: the child of one command blocks
  // before it executes, here on a full pipe in place of cgroup.procs.
  TestSandbox sandbox;
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  char block[4096] = {};
  while (write(writer.get(), block, sizeof(block)) > 0) {
  }
  ASSERT_EQ(fcntl(writer.get(), F_SETFL, 0), 0);
  ExecStreams streams;
  auto handle =
      sandbox.client()->Exec(Command({"true"}), writer.get(), &streams, absl::Milliseconds(200));
  EXPECT_TRUE(absl::IsDeadlineExceeded(handle.status())) << handle.status();
  EXPECT_TRUE(sandbox.Run(Command({"true"})).exit.ok());
}

TEST(RobustnessTest, KilledSandboxEndsItsCommandsAsUnavailable) {
  auto sandbox = std::make_unique<TestSandbox>();
  ExecStreams streams;
  auto handle = sandbox->client()->Exec(sandbox->Shell("cat"), -1, &streams, TestSandbox::kTimeout);
  ASSERT_TRUE(handle.ok());
  std::unique_ptr<InitClient> client = MakeInitClient(sandbox->socket_path());
  kill(sandbox->pid(), SIGKILL);
  ASSERT_TRUE(WaitReadable((*handle)->exit_fd(), TestSandbox::kTimeout).ok());
  EXPECT_TRUE(absl::IsUnavailable((*handle)->TakeExit().status()));
  EXPECT_TRUE(absl::IsUnavailable((*handle)->Signal(SIGTERM)));
  EXPECT_TRUE(absl::IsUnavailable(
      client->Exec(Command({"true"}), -1, &streams, TestSandbox::kTimeout).status()));
  sandbox.reset();
  EXPECT_TRUE(absl::IsUnavailable(
      client->Exec(Command({"true"}), -1, &streams, TestSandbox::kTimeout).status()));
}

TEST(RobustnessTest, NobodyAnsweringIsDeadlineExceeded) {
  TestSandbox sandbox;
  kill(sandbox.pid(), SIGSTOP);
  ExecStreams streams;
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      sandbox.client()->Exec(Command({"true"}), -1, &streams, absl::Milliseconds(50)).status()));
  kill(sandbox.pid(), SIGCONT);
  EXPECT_TRUE(sandbox.Run(Command({"true"})).exit.ok());
}

TEST(RobustnessTest, MalformedRequestsHarmNobody) {
  TestSandbox sandbox;
  absl::StatusOr<EncodedExec> good = EncodeExec(Command({"true"}), false);
  auto send = [&](init_protocol::Request header, std::string payload, bool with_payload) {
    auto connection = ConnectToInit(sandbox.socket_path(), TestSandbox::kTimeout);
    if (!connection.ok()) return connection.status();
    UniqueFd file(memfd_create("test", MFD_CLOEXEC));
    EXPECT_EQ(write(file.get(), payload.data(), payload.size()),
              static_cast<ssize_t>(payload.size()));
    std::vector<int> fds;
    if (with_payload) fds.push_back(file.get());
    absl::Status sent =
        SendPacket(connection->get(), {reinterpret_cast<char*>(&header), sizeof(header)}, fds);
    if (!sent.ok()) return sent;
    if (absl::Status s = WaitReadable(connection->get(), TestSandbox::kTimeout); !s.ok()) return s;
    absl::StatusOr<Packet> packet = ReceivePacket(connection->get());
    if (!packet.ok()) return packet.status();
    absl::StatusOr<init_protocol::Reply> reply = ParseReply(packet->bytes, 0, 0);
    return reply.ok() ? FailureStatus(*reply, ExecSpec()) : reply.status();
  };
  init_protocol::Request header = good->header;
  EXPECT_FALSE(send(header, good->payload, false).ok()) << "no payload";
  header.version = 9;
  EXPECT_FALSE(send(header, good->payload, true).ok());
  header = good->header;
  header.flags = init_protocol::kFlagCgroup;
  EXPECT_FALSE(send(header, good->payload, true).ok()) << "promised descriptor";
  header = good->header;
  header.argument_count = 1 << 30;
  EXPECT_FALSE(send(header, good->payload, true).ok());
  header = good->header;
  header.payload_bytes += 1;
  EXPECT_FALSE(send(header, good->payload, true).ok()) << "shorter than promised";
  header.payload_bytes = 0xffffffff;
  EXPECT_FALSE(send(header, good->payload, true).ok());
  header = good->header;
  header.type = 77;
  EXPECT_FALSE(send(header, good->payload, true).ok());
  auto connection = ConnectToInit(sandbox.socket_path(), TestSandbox::kTimeout);
  ASSERT_TRUE(SendPacket(connection->get(), std::string(100000, 'x'), {}).ok());
  EXPECT_TRUE(WaitReadable(connection->get(), TestSandbox::kTimeout).ok());
  EXPECT_TRUE(sandbox.Run(Command({"true"})).exit.ok());
}

TEST(RobustnessTest, ConnectionsBeyondTheTableAreRefused) {
  TestSandbox sandbox;
  std::vector<UniqueFd> idle;
  rlimit files;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  ASSERT_GE(files.rlim_max, 4096u) << "the test needs so many descriptors";
  rlimit raised = {files.rlim_max, files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  for (int i = 0; i < init_protocol::kMaxCommands; ++i) {
    auto connection = ConnectToInit(sandbox.socket_path(), TestSandbox::kTimeout);
    ASSERT_TRUE(connection.ok()) << i << connection.status();
    idle.push_back(std::move(*connection));
  }
  absl::Status status = sandbox.Run(Command({"true"})).exit.status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  idle.clear();
  EXPECT_TRUE(sandbox.Run(Command({"true"})).exit.ok());
  setrlimit(RLIMIT_NOFILE, &files);
}

TEST(RobustnessTest, LongSocketPathsWork) {
  TestSandbox sandbox;
  std::string deep = sandbox.directory() + "/" + std::string(200, 'd');
  std::filesystem::create_directory(deep);
  std::filesystem::create_symlink(sandbox.socket_path(), deep + "/s");
  ExecStreams streams;
  EXPECT_TRUE(MakeInitClient(deep + "/s")
                  ->Exec(Command({"true"}), -1, &streams, TestSandbox::kTimeout)
                  .ok());
}

}  // namespace
}  // namespace paddock::nodeagent
