#include "nodeagent/image/registry_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(RegistryHostsTest, UnitesTheManagersHosts) {
  EXPECT_THAT(ParseRegistries(R"({"pip": ["index.example.org", "Files.example.org"],
                                  "apt": ["deb.example.org", "index.example.org"]})"),
              ElementsAre("deb.example.org", "files.example.org", "index.example.org"));
}

TEST(RegistryHostsTest, WhatIsNoHostIsLeftOut) {
  EXPECT_THAT(ParseRegistries(R"({"a": ["10.0.0.1", "::1", "host:443", "https://x.example", "*",
                                        "-a.example", "a..example", 7, "*.cdn.example",
                                        "a.example/b", "a b.example", ""], "b": "c.example",
                                  "go": ["mirror"]})"),
              ElementsAre("*.cdn.example", "mirror"));
}

TEST(RegistryHostsTest, ATextThatIsNoSuchFileHasNone) {
  for (const char* text : {"", "[]", "{", "\"a.example\"", "{\"pip\": null}", "\xff"}) {
    EXPECT_THAT(ParseRegistries(text), IsEmpty()) << text;
  }
}

TEST(RegistryHostsTest, AnOperatorsListIsCheckedByName) {
  const auto hosts = CheckRegistryHosts({"mirror.example", " B.example ", ""});
  ASSERT_TRUE(hosts.ok()) << hosts.status();
  EXPECT_THAT(*hosts, ElementsAre("b.example", "mirror.example"));
  const absl::Status bad = CheckRegistryHosts({"a.example", "https://b.example"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(bad));
  EXPECT_THAT(std::string(bad.message()), HasSubstr("https://b.example"));
}

}  // namespace
}  // namespace paddock::nodeagent
