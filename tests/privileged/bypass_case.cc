#include "tests/privileged/bypass_case.h"

#include <gmock/gmock.h>

namespace paddock::nodeagent {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

void BypassSuite::Try(const BypassCase& one) {
  const pid_t gateway = world_->GatewayPid();
  const auto mark = world_->servers().Mark();
  std::unique_ptr<LimitedSession> session = Limited();
  const std::string printed = session->Probe(one.probe);
  for (const std::string& part : one.shows) EXPECT_THAT(printed, HasSubstr(part));
  for (const std::string& part : one.hides) EXPECT_THAT(printed, Not(HasSubstr(part)));
  ASSERT_NE(one.event.has_value(), one.refused_inside) << "every way ends with an explanation";
  if (one.event) session->ExpectEvent(*one.event);
  if (one.refused_inside) {
    EXPECT_THAT(printed, AnyOf(HasSubstr("failed "), HasSubstr("unsent ")));
    EXPECT_THAT(session->Events(), IsEmpty());
  }
  // The path that is allowed works beside it, and what was on its way before has arrived by then.
  const std::string allowed = session->Probe(
      {"tcp", "web.allowed.test", "80",
       Sends(Request("GET /marker HTTP/1.1", "Host: web.allowed.test\r\n")), "recv=5000"});
  EXPECT_THAT(allowed, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_TRUE(WaitUntil([&] { return !world_->servers().Seen(mark, "/marker").empty(); }));
  for (const std::string& part : one.seen) {
    EXPECT_TRUE(WaitUntil([&] { return !world_->servers().Seen(mark, part).empty(); }))
        << "the far side didn't see: " << part;
  }
  for (const std::string& part : one.unseen) {
    EXPECT_THAT(world_->servers().Seen(mark, part), IsEmpty());
  }
  EXPECT_EQ(world_->GatewayPid(), gateway) << "the gateway must survive it";
}

}  // namespace paddock::nodeagent
