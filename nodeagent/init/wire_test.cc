#include "nodeagent/init/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "common/error_details.h"

namespace paddock::nodeagent {
namespace {

using init_protocol::Reply;
using init_protocol::ReplyType;
using init_protocol::Step;
using ::testing::HasSubstr;

Reply MakeReply(ReplyType type) {
  Reply reply = {};
  reply.magic = init_protocol::kMagic;
  reply.version = init_protocol::kVersion;
  reply.type = static_cast<uint16_t>(type);
  return reply;
}

absl::StatusOr<Reply> Parse(const Reply& reply, int fd_count = 0, int expected_fds = 0) {
  return ParseReply({reinterpret_cast<const char*>(&reply), sizeof(reply)}, fd_count, expected_fds);
}

TEST(EncodeExecTest, PutsStringsInOrder) {
  ExecSpec spec;
  spec.command = {"echo", "", "b"};
  spec.env = {{"A", "1"}, {"B", "x=y"}};
  spec.user = "me:us";
  spec.cwd = "/tmp";
  absl::StatusOr<EncodedExec> encoded = EncodeExec(spec, /*with_cgroup=*/true);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->payload, std::string("me:us\0/tmp\0echo\0\0b\0A=1\0B=x=y\0", 29));
  EXPECT_EQ(encoded->header.argument_count, 3u);
  EXPECT_EQ(encoded->header.environment_count, 2u);
  EXPECT_EQ(encoded->header.payload_bytes, encoded->payload.size());
  EXPECT_EQ(encoded->header.flags, init_protocol::kFlagCgroup);
}

TEST(EncodeExecTest, FillsInDirectoryAndSize) {
  ExecSpec spec;
  spec.command = {"sh"};
  spec.cwd = "";
  spec.tty = true;
  spec.rows = 0;
  spec.cols = 1 << 20;
  absl::StatusOr<EncodedExec> encoded = EncodeExec(spec, /*with_cgroup=*/false);
  ASSERT_TRUE(encoded.ok());
  EXPECT_EQ(encoded->payload, std::string("\0/workspace\0sh\0", 15));
  EXPECT_EQ(encoded->header.rows, 24);
  EXPECT_EQ(encoded->header.columns, 65535);
  EXPECT_EQ(encoded->header.flags,
            init_protocol::kFlagTerminal | init_protocol::kFlagDefaultDirectory);
}

TEST(EncodeExecTest, RefusesWhatCannotBeSaid) {
  auto code = [](const ExecSpec& spec) { return EncodeExec(spec, false).status(); };
  ExecSpec spec;
  EXPECT_THAT(code(spec).message(), HasSubstr("command"));
  spec.command = {std::string("a\0b", 3)};
  EXPECT_THAT(code(spec).message(), HasSubstr("NUL"));
  spec.command = {"a"};
  spec.env = {{"", "x"}};
  EXPECT_THAT(code(spec).message(), HasSubstr("env"));
  spec.env = {{"A=B", "x"}};
  EXPECT_THAT(code(spec).message(), HasSubstr("A=B"));
  spec.env = {{"A", std::string(init_protocol::kMaxPayloadBytes, 'x')}};
  EXPECT_THAT(code(spec).message(), HasSubstr("1048576"));
  EXPECT_EQ(ViolationsOf(code(spec)).at(0).field, "start.env");
  spec.env.clear();
  spec.command.assign(init_protocol::kMaxArguments + 1, "");
  EXPECT_TRUE(absl::IsInvalidArgument(code(spec)));
  EXPECT_EQ(ViolationsOf(code(spec)).at(0).field, "start.command");
}

TEST(ParseReplyTest, TakesWellFormedOnes) {
  Reply started = MakeReply(ReplyType::kStarted);
  started.pid = 7;
  EXPECT_EQ(Parse(started, 3, 3)->pid, 7);
  Reply exited = MakeReply(ReplyType::kExited);
  exited.code = 255;
  EXPECT_EQ(Parse(exited)->code, 255);
}

TEST(ParseReplyTest, RefusesEverythingElse) {
  Reply started = MakeReply(ReplyType::kStarted);
  EXPECT_FALSE(Parse(started, 3, 3).ok()) << "pid 0";
  started.pid = 7;
  EXPECT_FALSE(Parse(started, 2, 3).ok()) << "a descriptor is missing";
  EXPECT_FALSE(Parse(started, 4, 3).ok()) << "one too many";
  Reply exited = MakeReply(ReplyType::kExited);
  EXPECT_FALSE(Parse(exited, 1, 0).ok()) << "unasked descriptor";
  exited.code = 256;
  EXPECT_FALSE(Parse(exited).ok());
  exited.code = 1;
  exited.signal = 9;
  EXPECT_FALSE(Parse(exited).ok()) << "both";
  exited.code = 0;
  exited.signal = 65;
  EXPECT_FALSE(Parse(exited).ok());
  Reply failed = MakeReply(ReplyType::kFailed);
  EXPECT_FALSE(Parse(failed).ok()) << "no step";
  failed.step = init_protocol::kLastStep + 1;
  failed.error = EAGAIN;
  EXPECT_FALSE(Parse(failed).ok());
  Reply other = MakeReply(ReplyType::kExited);
  other.version = 2;
  EXPECT_FALSE(Parse(other).ok());
  EXPECT_FALSE(ParseReply("", 0, 0).ok());
  EXPECT_FALSE(ParseReply(std::string(27, 'x'), 0, 0).ok());
  EXPECT_FALSE(ParseReply(std::string(29, 'x'), 0, 0).ok());
}

TEST(FailureStatusTest, EveryStepHasAMeaning) {
  ExecSpec spec;
  spec.user = "nobody-here";
  spec.cwd = "/nowhere";
  auto status = [&](Step step, int error) {
    Reply reply = MakeReply(ReplyType::kFailed);
    reply.step = static_cast<uint16_t>(step);
    reply.error = error;
    return FailureStatus(reply, spec);
  };
  EXPECT_TRUE(absl::IsInvalidArgument(status(Step::kUser, ENOENT)));
  EXPECT_THAT(status(Step::kUser, ENOENT).message(), HasSubstr("nobody-here"));
  EXPECT_TRUE(absl::IsInvalidArgument(status(Step::kGroup, ENOENT)));
  EXPECT_TRUE(absl::IsInvalidArgument(status(Step::kIdentity, EINVAL)));
  EXPECT_EQ(ViolationsOf(status(Step::kIdentity, EINVAL)).at(0).field, "start.user");
  EXPECT_EQ(ViolationsOf(status(Step::kDirectory, ENOENT)).at(0).field, "start.cwd");
  EXPECT_THAT(status(Step::kDirectory, ENOENT).message(), HasSubstr("isn't there"));
  EXPECT_THAT(status(Step::kDirectory, ENOENT).message(), HasSubstr("/nowhere"));
  EXPECT_TRUE(absl::IsResourceExhausted(status(Step::kFork, EAGAIN)));
  EXPECT_TRUE(absl::IsResourceExhausted(status(Step::kTerminal, ENOSPC)));
  EXPECT_TRUE(absl::IsResourceExhausted(status(Step::kStreams, EMFILE)));
  EXPECT_TRUE(absl::IsResourceExhausted(status(Step::kTooMany, EAGAIN)));
  EXPECT_EQ(ReasonOf(status(Step::kFork, EAGAIN)), ErrorReason::kPidsExhausted);
  EXPECT_EQ(ReasonOf(status(Step::kStreams, EMFILE)), ErrorReason::kSandboxExhausted);
  for (int step = 1; step <= init_protocol::kLastStep; ++step) {
    EXPECT_FALSE(status(static_cast<Step>(step), EIO).ok()) << step;
  }
}

}  // namespace
}  // namespace paddock::nodeagent
