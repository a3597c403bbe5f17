#include "nodeagent/egress/held_account.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace paddock::nodeagent {
namespace {

TEST(HeldAccountTest, ASessionsConnectionsShareItsBound) {
  HeldBytes session, all;
  HeldAccount first(&session, &all);
  EXPECT_TRUE(first.Set(HeldAccount::kMaxOfSession - 10));
  {
    HeldAccount second(&session, &all);
    EXPECT_TRUE(second.Set(10));
    EXPECT_FALSE(second.Set(11));
  }
  EXPECT_EQ(session.now, HeldAccount::kMaxOfSession - 10) << "given back";
  EXPECT_TRUE(first.Set(5));
  EXPECT_EQ(all.now, 5);
  EXPECT_EQ(all.peak, HeldAccount::kMaxOfSession + 1);
}

TEST(HeldAccountTest, WhatAllHoldIsBoundedAndASessionWithLittleGoesOn) {
  HeldBytes all;
  std::vector<HeldBytes> sessions(9);
  std::vector<std::unique_ptr<HeldAccount>> accounts;
  for (int i = 0; i < 8; ++i) {
    accounts.push_back(std::make_unique<HeldAccount>(&sessions[i], &all));
    EXPECT_TRUE(accounts.back()->Set(HeldAccount::kMaxOfSession)) << i;
  }
  HeldAccount late(&sessions[8], &all);
  EXPECT_TRUE(late.Set(HeldAccount::kLeastOfSession));
  EXPECT_FALSE(late.Set(HeldAccount::kLeastOfSession + 1));
  accounts.pop_back();
  EXPECT_TRUE(late.Set(HeldAccount::kLeastOfSession + 2));
}

}  // namespace
}  // namespace paddock::nodeagent
