#include "nodeagent/egress/packet_log.h"

#include <gtest/gtest.h>

#include <string>

namespace paddock::nodeagent {
namespace {

// An IPv4 head with `words` of 4 bytes, from 192.0.2.1 to 198.51.100.2.
std::string Head(char words, char protocol) {
  std::string head(static_cast<size_t>(words) * 4, '\0');
  head[0] = static_cast<char>(0x40 | words);
  head[9] = protocol;
  head.replace(12, 8, std::string("\xc0\x00\x02\x01\xc6\x33\x64\x02", 8));
  return head;
}

RefusedPacket Read(const std::string& bytes) {
  RefusedPacket packet;
  ReadPacketHead(bytes, &packet);
  return packet;
}

TEST(PacketLogTest, AddressesPortsAndProtocolsAreRead) {
  for (char words : {5, 8}) {
    RefusedPacket packet = Read(Head(words, 17) + std::string("\x04\xd2\x01\xbb", 4));
    EXPECT_EQ(packet.source, 0xc0000201u);
    EXPECT_EQ(packet.destination, "198.51.100.2");
    EXPECT_EQ(packet.protocol, "udp");
    EXPECT_EQ(packet.port, 443);
  }
  EXPECT_EQ(Read(Head(5, 6) + std::string(4, '\x01')).protocol, "tcp");
  EXPECT_EQ(Read(Head(5, 1) + std::string(4, '\x01')).protocol, "icmp");
  EXPECT_EQ(Read(Head(5, 1) + std::string(4, '\x01')).port, 0);
  EXPECT_EQ(Read(Head(5, 41)).protocol, "ip 41");
}

TEST(PacketLogTest, Ipv6HeadsAreRead) {
  std::string head(40, '\0');
  head[0] = 0x60;
  head.replace(24, 16, std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x07");
  for (auto [protocol, name] : {std::pair(6, "tcp"), {17, "udp"}, {58, "icmp6"}, {0, "ip 0"}}) {
    head[6] = static_cast<char>(protocol);
    RefusedPacket packet = Read(head + std::string("\x04\xd2\x01\xbb", 4));
    EXPECT_EQ(packet.destination, "2001:db8::7");
    EXPECT_EQ(packet.protocol, name);
    EXPECT_EQ(packet.port, protocol == 6 || protocol == 17 ? 443 : 0);
    EXPECT_EQ(packet.source, 0u);
  }
}

TEST(PacketLogTest, WhatIsShortOrNotIpv4StaysUnread) {
  std::string whole = Head(5, 6) + std::string(4, '\x01');
  for (size_t size = 0; size < 20; ++size) EXPECT_EQ(Read(whole.substr(0, size)).source, 0u);
  EXPECT_EQ(Read(whole.substr(0, 22)).port, 0);
  EXPECT_EQ(Read(whole.substr(0, 22)).protocol, "tcp");
  whole[0] = 0x60;
  EXPECT_EQ(Read(whole).source, 0u);
  EXPECT_EQ(Read(whole).protocol, "") << "shorter than an IPv6 head";
  std::string lying = Head(5, 6) + std::string(4, '\x01');
  lying[0] = 0x4f;
  EXPECT_EQ(Read(lying).port, 0);
}

}  // namespace
}  // namespace paddock::nodeagent
