#include "tests/model/fleet_model.h"

#include <cstdio>
#include <cstdlib>
#include <tuple>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"
#include "tests/model/explorer.h"

namespace paddock::model {
namespace {

// Of a search that may be too long for a unit test; breadth first, so all short ways are in it.
size_t MaxStates() {
  const char* wanted = getenv("PADDOCK_MODEL_STATES");
  size_t states = 0;
  return wanted != nullptr && absl::SimpleAtoi(wanted, &states) ? states : 500'000;
}

class FleetModelTest : public ::testing::TestWithParam<std::tuple<OnNodeLoss, Bounds>> {};

TEST_P(FleetModelTest, NeverTwiceNeverReleasedWhileItRunsNeverWithoutItsFilesNeverStuck) {
  const auto& [on_node_loss, bounds] = GetParam();
  FleetModel model(on_node_loss, bounds);
  const Exploration found = Explore(&model, MaxStates());
  printf("%s, %d generations, %d messages at once: %zu states, %zu steps, %s\n",
         on_node_loss == OnNodeLoss::kKeep ? "KEEP" : "RESCHEDULE", bounds.generations,
         bounds.messages, found.states, found.steps,
         found.complete ? "all there are" : "the first of more");
  EXPECT_TRUE(found.broken.empty()) << found.broken;
  EXPECT_EQ(found.complete, found.settled > 0) << "a complete search looks for ways to rest";
}

INSTANTIATE_TEST_SUITE_P(
    WithinBounds, FleetModelTest,
    ::testing::Combine(::testing::Values(OnNodeLoss::kKeep, OnNodeLoss::kReschedule),
                       ::testing::Values(Bounds{1, 1}, Bounds{2, 1}, Bounds{3, 1}, Bounds{2, 2},
                                         Bounds{3, 3})));

}  // namespace
}  // namespace paddock::model
