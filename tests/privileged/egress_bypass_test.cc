#include <gmock/gmock.h>

#include "tests/privileged/egress_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::HasSubstr;

class EgressBypassTest : public EgressTest {
 protected:
  static void SetUpTestSuite() { MakeWorld(SandboxHost::Root::kProbe); }
};

TEST_F(EgressBypassTest, TheSandboxCannotChangeItsNetwork) {
  auto session = Limited();
  const std::string tricks = session->Probe({"tricks"});
  EXPECT_THAT(tricks, HasSubstr("raw-icmp 1\n"));
  printf("%s", tricks.c_str());
  printf("%s", session->Probe({"look-up", "-", "web.allowed.test", "1", "udp"}).c_str());
}

}  // namespace
}  // namespace paddock::nodeagent
