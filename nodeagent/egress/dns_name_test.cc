#include "nodeagent/egress/dns_name.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

// The name at `offset`, and where it ends; "malformed" if it is.
std::string Read(const std::string& packet, size_t offset, size_t end) {
  std::string name;
  if (!ReadDnsName(packet, &offset, &name)) return "malformed";
  EXPECT_EQ(offset, end);
  return name;
}

TEST(DnsNameTest, NamesAreReadAsText) {
  EXPECT_EQ(Read(std::string("\3WWW\7example\0", 13), 0, 13), "www.example");
  EXPECT_EQ(Read(std::string("\0", 1), 0, 1), "");
  EXPECT_EQ(Read(std::string("\3a.b\1_\0", 7), 0, 7), "a\\046b._");
}

TEST(DnsNameTest, PointersLeadBack) {
  const std::string packet("\1c\0\1b\xc0\0\1a\xc0\3", 11);
  EXPECT_EQ(Read(packet, 3, 7), "b.c");
  EXPECT_EQ(Read(packet, 7, 11), "a.b.c");
}

TEST(DnsNameTest, WhatLeadsNowhereIsRefused) {
  for (const std::string& packet :
       {std::string("\xc0\0", 2), std::string("\1a\xc0\0", 4), std::string("\xc0\4\0\0\0", 5),
        std::string("\3ab", 3), std::string("\3abc", 4), std::string("\xc0", 1), std::string(),
        "\x40" + std::string(64, 'a') + '\0'}) {
    EXPECT_EQ(Read(packet, 0, 0), "malformed");
  }
  std::string longest;
  for (int i = 0; i < 3; ++i) longest += "\x3f" + std::string(63, 'y');
  EXPECT_EQ(Read(longest + "\x3d" + std::string(61, 'y') + '\0', 0, 255).size(), 253u);
  EXPECT_EQ(Read(longest + "\x3e" + std::string(62, 'y') + '\0', 0, 0), "malformed");
}

}  // namespace
}  // namespace paddock::nodeagent
