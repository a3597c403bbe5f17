#include "nodeagent/egress/fair_bound.h"

#include <gtest/gtest.h>

#include <vector>

namespace paddock::nodeagent {
namespace {

TEST(FairBoundTest, WhoComesLastGetsSomeHoweverGreedyTheOthersAre) {
  constexpr int kAll = 2048;
  constexpr int kMost = 128;
  constexpr int kClients = 256;
  const FairBound bound(kAll, kMost);
  std::vector<int> has(kClients);
  int in_use = 0;
  for (int newest = 0; newest < kClients; ++newest) {
    EXPECT_LT(has[newest], bound.Of(in_use));
    // All take whatever they get.
    for (int client = 0; client <= newest; ++client) {
      while (has[client] < bound.Of(in_use)) {
        ++has[client];
        ++in_use;
      }
    }
    EXPECT_GE(has[newest], FairBound::kLeast);
  }
  EXPECT_EQ(has[0], kMost);
  EXPECT_GT(has[8], kMost / 2) << "eight don't take everything";
  EXPECT_LE(in_use, kAll + kClients * FairBound::kLeast);
}

TEST(FairBoundTest, ItGrowsAgainWhenOthersEnd) {
  const FairBound bound(2048, 128);
  EXPECT_EQ(bound.Of(0), 128);
  EXPECT_EQ(bound.Of(1024), 128);
  EXPECT_EQ(bound.Of(1536), 64);
  EXPECT_EQ(bound.Of(2048), FairBound::kLeast);
  EXPECT_EQ(bound.Of(5000), FairBound::kLeast);
}

}  // namespace
}  // namespace paddock::nodeagent
