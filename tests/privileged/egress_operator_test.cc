// What the operator's file blocks, for limited and unrestricted sessions, while they use it; and
// how its errors are seen.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"
#include "tests/privileged/bypass_case.h"

namespace paddock::nodeagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class EgressOperatorTest : public EgressTest {
 protected:
  static void SetUpTestSuite() { MakeWorld(SandboxHost::Root::kProbe); }
  void TearDown() override { EXPECT_TRUE(RemoveFile(world_->options().operator_file).ok()); }

  static void WriteOperatorFile(const std::string& text) {
    ASSERT_TRUE(ReplaceFile(world_->options().operator_file, text).ok());
  }
  static std::string Get(LimitedSession& session, const std::string& name) {
    return session.Probe({"tcp", name, "80",
                          Sends(Request("GET / HTTP/1.1", absl::StrCat("Host: ", name, "\r\n"))),
                          "recv=5000"});
  }
  static bool Answers(LimitedSession& session, const std::string& name) {
    return absl::StrContains(Get(session, name), "200 OK");
  }
  std::unique_ptr<LimitedSession> Unrestricted() {
    NetworkPolicy policy;
    policy.kind = NetworkPolicy::Kind::kUnrestricted;
    return Limited(policy);
  }

  // Keeps an echo at `host` open, inside, until it is cut; what the probe printed. It is open when
  // this is made.
  class Held {
   public:
    Held(LimitedSession& session, const std::string& host) {
      const auto mark = world_->servers().Mark();
      thread_ = std::thread([this, &session, host] {
        printed_ = session.Probe({"tcp", host, "7777", "recv=5000", "recv=20000"});
      });
      EXPECT_TRUE(WaitUntil([&] { return !world_->servers().Seen(mark, "open ").empty(); }));
    }
    ~Held() {
      if (thread_.joinable()) thread_.join();
    }
    std::string Join() {
      thread_.join();
      return printed_;
    }

   private:
    std::string printed_;
    std::thread thread_;
  };
};

TEST_F(EgressOperatorTest, AHostIsBlockedBehindItsAliasesToo) {
  auto session = Limited();
  auto unrestricted = Unrestricted();
  const std::vector<std::string> look_up = {"look-up", "-", "alias.allowed.test", "1", "udp"};
  const std::vector<std::string> look_up_tcp = {"look-up", "-", "alias.allowed.test", "1", "tcp"};
  ASSERT_TRUE(Answers(*session, "alias.allowed.test"));
  ASSERT_THAT(unrestricted->Probe(look_up), HasSubstr(InternetServers::kEvil));
  Held held(*session, "alias.allowed.test");
  WriteOperatorFile("block-host *.cdn.evil.test\n");
  EXPECT_THAT(held.Join(), HasSubstr("reset 104"));
  session->ExpectEvent({"alias.allowed.test", 7777, false,
                        "is an alias of \"shop.cdn.evil.test\", which is blocked by the operator"});
  EXPECT_THAT(Get(*session, "alias.allowed.test"),
              AllOf(HasSubstr("HTTP/1.1 403"), HasSubstr("is an alias of \"shop.cdn.evil.test\"")));
  session->ExpectEvent({"alias.allowed.test", 80, false, "is an alias of"});
  for (const auto& question : {look_up, look_up_tcp}) {
    EXPECT_THAT(unrestricted->Probe(question), HasSubstr("rcode 3 answers 0"));
  }
  unrestricted->ExpectEvent({"alias.allowed.test", 53, false, "is an alias of"});
  // The end of the chain alone is enough.
  WriteOperatorFile("block-host edge.evil.test\n");
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(Get(*session, "alias.allowed.test"),
                             "alias of \\\"edge.evil.test\\\"") ||
           absl::StrContains(Get(*session, "alias.allowed.test"), "alias of \"edge.evil.test\"");
  }));
  EXPECT_THAT(unrestricted->Probe(look_up), HasSubstr("rcode 3 answers 0"));
  EXPECT_TRUE(Answers(*session, "web.allowed.test"));
  WriteOperatorFile("# nothing\n");
  EXPECT_TRUE(WaitUntil([&] { return Answers(*session, "alias.allowed.test"); }));
  EXPECT_THAT(unrestricted->Probe(look_up), HasSubstr(InternetServers::kEvil));
}

TEST_F(EgressOperatorTest, OpenConnectionsToWhatBecomesBlockedAreCut) {
  auto session = Limited();
  {
    Held by_host(*session, "both.allowed.test");
    Held other(*session, "web.allowed.test");  // The same address.
    WriteOperatorFile("block-host both.allowed.test\n");
    EXPECT_THAT(by_host.Join(), HasSubstr("reset 104"));
    session->ExpectEvent({"both.allowed.test", 7777, false, "blocked by the operator"});
    WriteOperatorFile("block 198.51.100.20/31\n");
    EXPECT_THAT(other.Join(), HasSubstr("reset 104"));
    session->ExpectEvent({"web.allowed.test", 7777, false, "which no sandbox may reach"});
  }
  EXPECT_THAT(Get(*session, "web.allowed.test"), HasSubstr("403"));
  WriteOperatorFile("# nothing\n");
  EXPECT_TRUE(WaitUntil([&] { return Answers(*session, "web.allowed.test"); }));
}

TEST_F(EgressOperatorTest, AnUnrestrictedSessionsConnectionIsCutAtItsNextPacket) {
  auto session = Unrestricted();
  bool echoed = false, cut = false;
  RunInNamespace(session->pair().netns.get(), [&] {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit = {2, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(7778);
    inet_pton(AF_INET, InternetServers::kWeb, &to.sin_addr);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const auto echo = [&] {
      char byte = 'x';
      return send(fd.get(), &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd.get(), &byte, 1, 0) == 1;
    };
    echoed = echo();
    WriteOperatorFile("block 198.51.100.20\n");
    cut = WaitUntil([&] { return !echo(); });
  });
  EXPECT_TRUE(echoed);
  EXPECT_TRUE(cut);
  session->ExpectEvent({"", 7778, false, "no sandbox may reach this address"});
}

TEST_F(EgressOperatorTest, AnErrorInTheFileIsToldInTheGatewaysHealth) {
  auto session = Limited();
  ASSERT_TRUE(world_->gateway().Health().ok());
  // What the test before blocked is forgotten a moment after its file is gone.
  ASSERT_TRUE(WaitUntil([&] { return Answers(*session, "web.allowed.test"); }));
  Held held(*session, "web.allowed.test");
  WriteOperatorFile("block 198.51.100.0/24\nallow what\n");
  EXPECT_TRUE(WaitUntil([&] { return absl::IsInvalidArgument(world_->gateway().Health()); }));
  EXPECT_THAT(std::string(world_->gateway().Health().message()),
              AllOf(HasSubstr(world_->options().operator_file), HasSubstr("line 2"),
                    HasSubstr("no sandbox reaches anything")));
  EXPECT_THAT(held.Join(), HasSubstr("reset 104"));
  session->ExpectEvent({"web.allowed.test", 7777, false, "has an error"});
  WriteOperatorFile("# mended\n");
  EXPECT_TRUE(WaitUntil([&] { return world_->gateway().Health().ok(); }));
  EXPECT_TRUE(Answers(*session, "web.allowed.test"));
}

}  // namespace
}  // namespace paddock::nodeagent
