#include "nodeagent/net/slot_table.h"

#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

TEST(SlotTableTest, TakesTheOneThatRestedLongest) {
  SlotTable slots(3);
  EXPECT_EQ(*slots.Take(), 0);
  EXPECT_EQ(*slots.Take(), 1);
  EXPECT_TRUE(slots.Drain(1));
  slots.Free(1);
  EXPECT_EQ(*slots.Take(), 2);
  EXPECT_EQ(*slots.Take(), 1);
  EXPECT_EQ(slots.Take().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(SlotTableTest, ADrainingSlotIsNotTakenAndNotDrainedTwice) {
  SlotTable slots(1);
  ASSERT_TRUE(slots.Take().ok());
  EXPECT_TRUE(slots.Drain(0));
  EXPECT_FALSE(slots.Drain(0));
  EXPECT_FALSE(slots.Take().ok());
  EXPECT_EQ(slots.TakeThis(0).code(), absl::StatusCode::kAlreadyExists);
  slots.Free(0);
  EXPECT_EQ(slots.free(), 1);
  slots.Free(0);  // Once only: the slot must not be handed out twice.
  EXPECT_TRUE(slots.Take().ok());
  EXPECT_FALSE(slots.Take().ok());
  EXPECT_EQ(slots.free(), 0);
}

TEST(SlotTableTest, AnAdoptedSlotIsNeverTaken) {
  SlotTable slots(2);
  EXPECT_TRUE(slots.TakeThis(0).ok());
  EXPECT_EQ(slots.TakeThis(0).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(slots.TakeThis(2).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(slots.TakeThis(-1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*slots.Take(), 1);
  EXPECT_FALSE(slots.Take().ok());
}

}  // namespace
}  // namespace paddock::nodeagent
