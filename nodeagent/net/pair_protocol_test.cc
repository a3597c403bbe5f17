#include "nodeagent/net/pair_protocol.h"

#include <gtest/gtest.h>
#include <net/if.h>

namespace paddock::nodeagent {
namespace {

TEST(PairProtocolTest, VethNamesFitAndLeadBackToTheirSlot) {
  for (int index : {0, 9, 4095, kMaxSlots - 1}) {
    std::string name = VethName(index, 0xbeef);
    EXPECT_LT(name.size(), static_cast<size_t>(IFNAMSIZ));
    EXPECT_EQ(VethSlot(name), index) << name;
  }
  EXPECT_NE(VethName(1, 1), VethName(1, 2));
}

TEST(PairProtocolTest, OtherLinksAreNoSlots) {
  for (const char* name : {"lo", "uplink", "s", "sx", "s1", "s1x", "s1x12345", "s-1x1234",
                           "s65536x1234", "t1x1234", "sit0", ""}) {
    EXPECT_EQ(VethSlot(name), -1) << name;
  }
}

}  // namespace
}  // namespace paddock::nodeagent
