// What a command inside a sandbox can do and can't, through the public port of a running system.

#include <gmock/gmock.h>

#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/e2e/e2e_environment.h"

namespace paddock::testing {
namespace {

using ::testing::HasSubstr;

using SandboxE2eTest = E2eTest;

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

  start.clear_command();
  for (const char* word : {"sleep", "300"}) start.add_command(word);
  start.mutable_timeout()->set_nanos(300'000'000);
  result = client().Exec(start);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_EQ(Shell(session, "ps -e -o args= 2>/dev/null | grep -c '[s]leep 300' || true").out,
            "0\n");
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
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  std::string count;
  do {
    count =
        Shell(
            session,
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 424[2]' || true")
            .out;
  } while (count != "0\n" && absl::Now() < deadline);
  EXPECT_EQ(count, "0\n");
}

TEST_F(SandboxE2eTest, BackgroundProcessesOfAFinishedCommandGoOn) {
  const v1::Session session = NewSession();
  EXPECT_EQ(Shell(session, "(setsid sleep 777 >/dev/null 2>&1 &); echo done").out, "done\n");
  EXPECT_EQ(
      Shell(session, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 77[7]'")
          .out,
      "1\n");
}

TEST_F(SandboxE2eTest, FilesGoInAndOutWholeAndStayInside) {
  const v1::Session session = NewSession();
  auto context = client().Context();
  v1::WriteFileResponse written;
  auto writer = client().sessions().WriteFile(context.get(), &written);
  v1::WriteFileRequest chunk;
  chunk.mutable_start()->set_session_id(session.id());
  chunk.mutable_start()->set_path("deep/er/data.bin");
  chunk.mutable_start()->set_mode(0640);
  ASSERT_TRUE(writer->Write(chunk));
  std::string content;
  for (int i = 0; i < 40; ++i) content += std::string(100'000, static_cast<char>('a' + i % 26));
  for (size_t at = 0; at < content.size(); at += 1 << 18) {
    chunk.set_data(content.substr(at, 1 << 18));
    ASSERT_TRUE(writer->Write(chunk));
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(Shell(session, "stat -c '%a %s' /workspace/deep/er/data.bin").out,
            absl::StrCat("640 ", content.size(), "\n"));

  auto read_context = client().Context();
  v1::ReadFileRequest read;
  read.set_session_id(session.id());
  read.set_path("/workspace/deep/er/data.bin");
  auto reader = client().sessions().ReadFile(read_context.get(), read);
  std::string back;
  v1::ReadFileResponse piece;
  while (reader->Read(&piece)) back += piece.data();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(back == content);

  Shell(session,
        "ln -s /etc/hostname /workspace/link; ln -s ../../../../../../etc/shadow /workspace/up");
  auto link_context = client().Context();
  read.set_path("/workspace/link");
  auto link_reader = client().sessions().ReadFile(link_context.get(), read);
  std::string name;
  while (link_reader->Read(&piece)) name += piece.data();
  EXPECT_TRUE(link_reader->Finish().ok());
  EXPECT_EQ(name, Shell(session, "cat /etc/hostname").out);

  v1::ListDirectoryRequest list;
  list.set_session_id(session.id());
  list.set_path("/workspace");
  v1::ListDirectoryResponse entries;
  ASSERT_TRUE(client().sessions().ListDirectory(client().Context().get(), list, &entries).ok());
  EXPECT_EQ(entries.entries_size(), 3) << entries.DebugString();
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

TEST_F(SandboxE2eTest, ReachesNeitherHostNorMetadataNorSibling) {
  const v1::Session session = NewSession();
  const v1::Session sibling = NewSession();
  const std::string sibling_address = Shell(sibling, "hostname -I").out;
  Shell(sibling, "(setsid python3 -m http.server 8000 >/dev/null 2>&1 &)");
  const std::string host = std::string(absl::StripAsciiWhitespace(
      Shell(session, "ip route 2>/dev/null | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'").out));
  std::vector<std::string> targets = {"169.254.169.254:80", "10.0.0.1:80", "192.168.0.1:80",
                                      "172.16.0.1:80", "100.64.0.1:80"};
  const std::vector<std::string> port = absl::StrSplit(endpoint().address, ':');
  if (!host.empty()) targets.push_back(absl::StrCat(host, ":", port.back()));
  for (absl::string_view address : absl::StrSplit(sibling_address, ' ', absl::SkipWhitespace())) {
    targets.push_back(absl::StrCat(absl::StripAsciiWhitespace(address), ":8000"));
  }
  for (const std::string& target : targets) {
    const ExecResult result =
        Shell(session, absl::StrCat("curl -sS -m 5 -o /dev/null http://", target, "/"));
    EXPECT_EQ(result.code, 7) << target << ": refused at once is wanted, got " << result.err;
  }
}

}  // namespace
}  // namespace paddock::testing
