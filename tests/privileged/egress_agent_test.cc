// A limited session's connection while agents are killed and replaced.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/file.h"
#include "tests/privileged/bypass_case.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

// Stands in for an agent: a process that keeps the gateway process, and nothing else.
class AgentProcess {
 public:
  AgentProcess(const std::string& binary, const GatewayOptions& options) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    SpawnSpec spec;
    spec.argv = {"setpriv", "--pdeathsig=KILL",
                 "--",      binary,
                 "agent",   absl::StrCat("--config=", options.ConfigFile())};
    spec.fds = {{out.get(), 1}, {STDERR_FILENO, 2}};
    absl::StatusOr<SpawnedProcess> process = Spawn(spec);
    EXPECT_TRUE(process.ok()) << process.status();
    if (process.ok()) process_ = *std::move(process);
    out.reset();
    // It says when it has the gateway.
    char word[16] = {};
    EXPECT_GT(read(in.get(), word, sizeof word), 0);
  }
  ~AgentProcess() {
    if (process_.pid <= 0) return;
    EXPECT_EQ(kill(process_.pid, SIGKILL), 0);
    int status = 0;
    EXPECT_EQ(waitpid(process_.pid, &status, 0), process_.pid);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it was killed while it ran";
  }

 private:
  SpawnedProcess process_;
};

class EgressAgentTest : public EgressTest {
 protected:
  static void SetUpTestSuite() { MakeWorld(SandboxHost::Root::kProbe); }

  // A connection to the echo of web.allowed.test, from the session's namespace, greeted.
  static UniqueFd Hold(LimitedSession& session) {
    const std::vector<std::string> words = absl::StrSplit(
        session.Probe({"look-up", "-", "web.allowed.test", "1", "udp"}), absl::ByAnyChar(" \n"));
    UniqueFd fd;
    if (words.size() < 5) return fd;
    RunInNamespace(session.pair().netns.get(), [&] {
      fd = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in to = {};
      to.sin_family = AF_INET;
      to.sin_port = htons(7777);
      EXPECT_EQ(inet_pton(AF_INET, words[4].c_str(), &to.sin_addr), 1);
      EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    });
    EXPECT_NE(Receive(fd.get()), "") << "the server greets";
    return fd;
  }
  static std::string Receive(int fd) {
    pollfd poller = {fd, POLLIN, 0};
    char text[256];
    if (poll(&poller, 1, 5000) != 1) return "";
    const ssize_t size = recv(fd, text, sizeof text, 0);
    return std::string(text, size > 0 ? static_cast<size_t>(size) : 0);
  }
  static bool Echoes(int fd, const std::string& word) {
    return send(fd, word.data(), word.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(word.size()) &&
           Receive(fd) == word;
  }
  static std::string Get(LimitedSession& session, const std::string& name) {
    return session.Probe({"tcp", name, "80",
                          Sends(Request("GET / HTTP/1.1", absl::StrCat("Host: ", name, "\r\n"))),
                          "recv=5000"});
  }
};

TEST_F(EgressAgentTest, AHeldConnectionGoesOnWhenAgentsAreKilledAndUpgraded) {
  auto session = Limited();
  const pid_t gateway = world_->GatewayPid();
  const UniqueFd held = Hold(*session);
  ASSERT_TRUE(Echoes(held.get(), "before\n"));
  world_->StopAgent();
  EXPECT_TRUE(Echoes(held.get(), "alone\n"));
  {
    const AgentProcess agent(PADDOCK_GATEWAY_TOOL, world_->options());
    EXPECT_TRUE(Echoes(held.get(), "taken over\n"));
  }
  EXPECT_TRUE(Echoes(held.get(), "killed\n"));
  EXPECT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(*session, "evil.test"), HasSubstr("403"));
  // A new version is another file.
  const std::string upgraded = world_->servers().directory() + "/upgraded";
  const absl::StatusOr<std::string> program = ReadFile(PADDOCK_GATEWAY_TOOL);
  ASSERT_TRUE(program.ok() && WriteFile(upgraded, *program, 0755).ok());
  {
    const AgentProcess agent(upgraded, world_->options());
    EXPECT_TRUE(Echoes(held.get(), "upgraded\n"));
    EXPECT_THAT(Get(*session, "web.allowed.test"), HasSubstr("200 OK"));
  }
  world_->StartAgent();
  EXPECT_TRUE(Echoes(held.get(), "after\n"));
  EXPECT_EQ(world_->GatewayPid(), gateway);
  shutdown(held.get(), SHUT_WR);
  EXPECT_EQ(Receive(held.get()), "") << "its end";
  session->ExpectEvent({"web.allowed.test", 7777, true, ""});
  session->ExpectEvent({"evil.test", 80, false, "is not allowed"});
  for (const EgressEvent& event : session->Events()) {
    EXPECT_THAT(event.reason, ::testing::Not(HasSubstr("cut because")));
  }
}

}  // namespace
}  // namespace paddock::nodeagent
