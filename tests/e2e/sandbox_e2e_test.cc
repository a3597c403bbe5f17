// What a command inside a sandbox can do and can't, through the public port of a running system.

#include <gmock/gmock.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/e2e/e2e_environment.h"

namespace paddock::testing {
namespace {

using ::testing::HasSubstr;

class SandboxE2eTest : public E2eTest {
 protected:
  // How many processes of the session are `sleep seconds`; the base image has no ps.
  int Sleepers(const v1::Session& session, int seconds) {
    const ExecResult result = Shell(
        session, absl::StrCat("for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done "
                              "2>/dev/null | grep -c '^sleep ",
                              seconds, " $'"));
    int count = -1;
    EXPECT_TRUE(absl::SimpleAtoi(absl::StripAsciiWhitespace(result.out), &count)) << result.err;
    return count;
  }
  // The count once it has come to `wanted`, or what it is after a while.
  int AwaitSleepers(const v1::Session& session, int seconds, int wanted) {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    int count = Sleepers(session, seconds);
    while (count != wanted && absl::Now() < deadline) count = Sleepers(session, seconds);
    return count;
  }
  absl::Status Write(const v1::Session& session, const std::string& path, const std::string& data,
                     uint32_t mode = 0) {
    const auto context = client().Context();
    v1::WriteFileResponse written;
    const auto writer = client().sessions().WriteFile(context.get(), &written);
    v1::WriteFileRequest chunk;
    chunk.mutable_start()->set_session_id(session.id());
    chunk.mutable_start()->set_path(path);
    chunk.mutable_start()->set_mode(mode);
    bool open = writer->Write(chunk);
    for (size_t at = 0; open && at < data.size(); at += 1 << 18) {
      chunk.set_data(data.substr(at, 1 << 18));
      open = writer->Write(chunk);
    }
    writer->WritesDone();
    return FromGrpc(writer->Finish());
  }
  absl::StatusOr<std::string> Read(const v1::Session& session, const std::string& path) {
    const auto context = client().Context();
    v1::ReadFileRequest request;
    request.set_session_id(session.id());
    request.set_path(path);
    const auto reader = client().sessions().ReadFile(context.get(), request);
    std::string data;
    v1::ReadFileResponse piece;
    while (reader->Read(&piece)) data += piece.data();
    const absl::Status status = FromGrpc(reader->Finish());
    if (!status.ok()) return status;
    return data;
  }
};

TEST_F(SandboxE2eTest, RunsACommandInWorkspaceAsRoot) {
  const v1::Session session = NewSession();
  const ExecResult result =
      Shell(session, "pwd; id -u; stat -c %u /workspace; echo oops >&2; exit 7");
  EXPECT_EQ(result.out, "/workspace\n0\n0\n");
  EXPECT_EQ(result.err, "oops\n");
  EXPECT_EQ(result.code, 7);
}

TEST_F(SandboxE2eTest, ShipsPythonGitAndCurl) {
  const v1::Session session = NewSession();
  const ExecResult result = Shell(
      session,
      "python3 -c 'print(6*7)' && git --version && curl --version | head -1 && pip --version");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("42"));
}

TEST_F(SandboxE2eTest, StdinReachesTheCommandAndEndsWithTheHalfClose) {
  const v1::Session session = NewSession();
  const std::string input(3 << 20, 'x');
  const absl::StatusOr<ExecResult> result = client().Exec(session.id(), {"wc", "-c"}, input);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, absl::StrCat(input.size(), "\n"));
}

TEST_F(SandboxE2eTest, BigOutputArrivesWhole) {
  const v1::Session session = NewSession();
  const ExecResult result = Shell(session, "head -c 50000000 /dev/zero");
  EXPECT_EQ(result.out.size(), 50'000'000u);
  EXPECT_EQ(result.code, 0);
}

TEST_F(SandboxE2eTest, CommandNotFoundExitsWith127) {
  const v1::Session session = NewSession();
  const absl::StatusOr<ExecResult> result = client().Exec(session.id(), {"no-such-command"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->code, 127);
}

TEST_F(SandboxE2eTest, EnvironmentDirectoryUserAndTimeoutApply) {
  const v1::Session session = NewSession();
  v1::ExecStart start;
  start.set_session_id(session.id());
  for (const char* word : {"sh", "-c", "echo $COLOR; pwd; id -un"}) start.add_command(word);
  (*start.mutable_env())["COLOR"] = "green";
  start.set_cwd("/tmp");
  start.set_user("nobody");
  absl::StatusOr<ExecResult> result = client().Exec(start);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "green\n/tmp\nnobody\n");
}

TEST_F(SandboxE2eTest, ATimedOutCommandsTreeIsKilled) {
  const v1::Session session = NewSession();
  v1::ExecRequest request;
  v1::ExecStart* start = request.mutable_start();
  start->set_session_id(session.id());
  for (const char* word : {"sh", "-c", "(setsid sleep 3003 &); sleep 3003 & echo up; sleep 3003"}) {
    start->add_command(word);
  }
  start->mutable_timeout()->set_seconds(3);
  const auto context = client().Context();
  const auto stream = client().sessions().Exec(context.get());
  ASSERT_TRUE(stream->Write(request));
  v1::ExecResponse response;
  while (stream->Read(&response) && response.stdout() != "up\n") {
  }
  EXPECT_EQ(AwaitSleepers(session, 3003, 3), 3) << "they are there to be killed";
  while (stream->Read(&response)) EXPECT_FALSE(response.has_exited());
  EXPECT_EQ(FromGrpc(stream->Finish()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(AwaitSleepers(session, 3003, 0), 0);
}

TEST_F(SandboxE2eTest, WithoutWorkspaceACommandStartsInTheRoot) {
  const v1::Session session = NewSession();
  EXPECT_EQ(Shell(session, "rmdir /workspace").code, 0);
  EXPECT_EQ(Shell(session, "pwd").out, "/\n");
  v1::ExecStart start;
  start.set_session_id(session.id());
  start.add_command("pwd");
  start.set_cwd("/workspace");
  const absl::Status named = client().Exec(start).status();
  EXPECT_EQ(named.code(), absl::StatusCode::kInvalidArgument) << named;
  EXPECT_THAT(named.message(), HasSubstr("start.cwd"));
}

TEST_F(SandboxE2eTest, ATerminalHasASizeAndTakesResizes) {
  const v1::Session session = NewSession();
  auto context = client().Context();
  auto stream = client().sessions().Exec(context.get());
  v1::ExecRequest request;
  v1::ExecStart* start = request.mutable_start();
  start->set_session_id(session.id());
  for (const char* word : {"sh", "-c", "stty size; read line; stty size; tty"})
    start->add_command(word);
  start->set_tty(true);
  start->set_rows(33);
  start->set_cols(101);
  ASSERT_TRUE(stream->Write(request));
  std::string output;
  bool resized = false;
  v1::ExecResponse response;
  while (stream->Read(&response)) {
    output += response.stdout();
    if (!resized && output.find("33 101") != std::string::npos) {
      request.mutable_resize()->set_rows(44);
      request.mutable_resize()->set_cols(111);
      stream->Write(request);
      request.set_stdin("\n");
      stream->Write(request);
      resized = true;
    }
    if (response.has_exited()) EXPECT_EQ(response.exited().code(), 0);
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(output, HasSubstr("44 111"));
  EXPECT_THAT(output, HasSubstr("/dev/pts/"));
}

TEST_F(SandboxE2eTest, SignalsReachTheCommand) {
  const v1::Session session = NewSession();
  auto context = client().Context();
  auto stream = client().sessions().Exec(context.get());
  v1::ExecRequest request;
  request.mutable_start()->set_session_id(session.id());
  for (const char* word :
       {"sh", "-c", "trap 'echo caught; exit 3' TERM; echo armed; while :; do sleep 0.05; done"}) {
    request.mutable_start()->add_command(word);
  }
  ASSERT_TRUE(stream->Write(request));
  std::string output;
  v1::ExecResponse response;
  int code = -1;
  bool sent = false;
  while (stream->Read(&response)) {
    output += response.stdout();
    if (!sent && output == "armed\n") {
      request.set_signal(15);
      stream->Write(request);
      sent = true;
    }
    if (response.has_exited()) code = response.exited().code();
  }
  EXPECT_EQ(output, "armed\ncaught\n");
  EXPECT_EQ(code, 3);
}

TEST_F(SandboxE2eTest, AClientThatGoesAwayKillsItsCommandsTree) {
  const v1::Session session = NewSession();
  {
    auto context = client().Context();
    auto stream = client().sessions().Exec(context.get());
    v1::ExecRequest request;
    request.mutable_start()->set_session_id(session.id());
    for (const char* word : {"sh", "-c", "(setsid sleep 4242 &) ; echo up; sleep 4242"}) {
      request.mutable_start()->add_command(word);
    }
    ASSERT_TRUE(stream->Write(request));
    v1::ExecResponse response;
    while (stream->Read(&response) && response.stdout() != "up\n") {
    }
    context->TryCancel();
    stream->Finish();
  }
  EXPECT_EQ(AwaitSleepers(session, 4242, 0), 0);
}

TEST_F(SandboxE2eTest, BackgroundProcessesOfAFinishedCommandGoOn) {
  const v1::Session session = NewSession();
  EXPECT_EQ(Shell(session, "(setsid sleep 777 >/dev/null 2>&1 &); echo done").out, "done\n");
  EXPECT_EQ(Sleepers(session, 777), 1);
}

TEST_F(SandboxE2eTest, FilesGoInAndOutWhole) {
  const v1::Session session = NewSession();
  std::string content;
  for (int i = 0; i < 40; ++i) content += std::string(100'000, static_cast<char>('a' + i % 26));
  const absl::Status written = Write(session, "deep/er/data.bin", content, 0640);
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(Shell(session, "stat -c '%a %s' /workspace/deep/er/data.bin").out,
            absl::StrCat("640 ", content.size(), "\n"));
  const absl::StatusOr<std::string> back = Read(session, "/workspace/deep/er/data.bin");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(*back == content);

  v1::ListDirectoryRequest list;
  list.set_session_id(session.id());
  list.set_path("/workspace");
  v1::ListDirectoryResponse entries;
  ASSERT_TRUE(client().sessions().ListDirectory(client().Context().get(), list, &entries).ok());
  EXPECT_EQ(entries.entries_size(), 1) << entries.DebugString();
}

TEST_F(SandboxE2eTest, LinksLeadNowhereButInside) {
  const v1::Session session = NewSession();
  // Both files are there on this machine, too.
  for (const char* link : {"/etc/shadow", "../../../../../../etc/shadow"}) {
    const std::string mark = UniqueName("mark");
    Shell(session, absl::StrCat("echo ", mark, " > /etc/shadow; ln -sfn ", link, " /workspace/l"));
    const absl::StatusOr<std::string> read = Read(session, "/workspace/l");
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, mark + "\n") << link;
  }
  const std::string name = absl::StrCat("/etc/", UniqueName("paddock-e2e"));
  Shell(session, absl::StrCat("ln -s ../../../../../..", name, " /workspace/up"));
  const absl::Status written = Write(session, "/workspace/up", "inside");
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(Shell(session, absl::StrCat("cat ", name)).out, "inside");
  EXPECT_NE(access(name.c_str(), F_OK), 0) << name << " is on the machine itself";
}

TEST_F(SandboxE2eTest, RootHasFewCapabilitiesAndNoDangerousSystemCalls) {
  const v1::Session session = NewSession();
  EXPECT_NE(Shell(session, "unshare -U true").code, 0);
  EXPECT_NE(Shell(session, "mount -t tmpfs none /mnt").code, 0);
  EXPECT_NE(Shell(session, "cat /proc/kcore | head -c 1").out.size(), 1u);
  const ExecResult bits =
      Shell(session, "grep CapBnd /proc/self/status | tr -d '\\t' | cut -d: -f2");
  uint64_t caps = 0;
  ASSERT_TRUE(absl::SimpleHexAtoi(absl::StripAsciiWhitespace(bits.out), &caps));
  EXPECT_LE(__builtin_popcountll(caps), 15);
  for (int forbidden :
       {12 /*NET_ADMIN*/, 13 /*NET_RAW*/, 16, 17, 19, 21 /*SYS_ADMIN*/, 22, 23, 24, 25}) {
    EXPECT_EQ(caps >> forbidden & 1, 0u) << forbidden;
  }
}

}  // namespace
}  // namespace paddock::testing
