#include "tests/model/fleet_model.h"

#include <cstdio>

#include "gtest/gtest.h"
#include "tests/model/explorer.h"

namespace paddock::model {
namespace {

constexpr size_t kMaxStates = 3'000'000;

void ExploreAll(OnNodeLoss on_node_loss) {
  FleetModel model(on_node_loss);
  const Exploration found = Explore(&model, kMaxStates);
  printf("%zu states, %zu steps, %zu settled\n", found.states, found.steps, found.settled);
  EXPECT_TRUE(found.broken.empty()) << found.broken;
  EXPECT_TRUE(found.complete || !found.broken.empty()) << "more states than the bound";
  EXPECT_GT(found.settled, 0u);
}

TEST(FleetModelTest, KeepSessionsAreNeverTwiceNeverMovedAndNeverStuck) {
  ExploreAll(OnNodeLoss::kKeep);
}

TEST(FleetModelTest, RescheduleSessionsAreNeverTwiceAndNeverStuck) {
  ExploreAll(OnNodeLoss::kReschedule);
}

}  // namespace
}  // namespace paddock::model
