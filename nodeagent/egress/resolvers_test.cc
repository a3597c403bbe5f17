#include "nodeagent/egress/resolvers.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

TEST(ResolversTest, ReadsAtMostThreeNameServers) {
  auto resolvers = ParseResolvConf(
      "# nameserver 192.0.2.9\nsearch example.test\nnameserver 127.0.0.53\n"
      "nameserver\tfe80::1%lo\nnameserver bad\nnameserver ::1\nnameserver 192.0.2.1\n");
  ASSERT_EQ(resolvers.size(), 3u);
  EXPECT_EQ(resolvers[0].address.ss_family, AF_INET);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&resolvers[0].address);
  EXPECT_EQ(ntohl(v4->sin_addr.s_addr), 0x7f000035u);
  EXPECT_EQ(ntohs(v4->sin_port), 53);
  EXPECT_EQ(reinterpret_cast<sockaddr_in6*>(&resolvers[1].address)->sin6_scope_id, 1u);
  EXPECT_EQ(resolvers[2].address.ss_family, AF_INET6);
  EXPECT_TRUE(ParseResolvConf("").empty());
}

TEST(ResolversTest, AFileThatIsReplacedOrGoesHasChanged) {
  char directory[] = "/tmp/resolvers_test.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  std::string path = std::string(directory) + "/resolv.conf";
  WatchedFile file(path);
  EXPECT_TRUE(file.Changed());
  EXPECT_FALSE(file.Changed());
  ASSERT_TRUE(ReplaceFile(path, "nameserver 192.0.2.1").ok());
  EXPECT_TRUE(file.Changed());
  EXPECT_FALSE(file.Changed());
  ASSERT_TRUE(ReplaceFile(path, "nameserver 192.0.2.2").ok());
  EXPECT_TRUE(file.Changed());
  ASSERT_TRUE(RemoveTree(directory).ok());
  EXPECT_TRUE(file.Changed());
  EXPECT_FALSE(file.Changed());
}

}  // namespace
}  // namespace paddock::nodeagent
