#include "nodeagent/egress/connection_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Entry = ConnectionTable::Entry;

class ConnectionTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/connection_table_test.XXXXXX";
    directory_ = mkdtemp(path);
    file_ = directory_ + "/connections";
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(directory_).ok()); }
  // What a process finds that starts now.
  std::vector<Entry> Left() {
    std::vector<Entry> left;
    EXPECT_TRUE(ConnectionTable::Open(file_, &left).ok());
    return left;
  }
  std::string directory_, file_;
};

TEST_F(ConnectionTableTest, WhatIsOpenIsLeftBehindOnce) {
  const Entry one{1, 2, 3, 443, 10, 1'000'000'000'000};
  const Entry two{1, 2, 0, 65535, 0, 0};
  {
    std::vector<Entry> left;
    ConnectionTable table = *ConnectionTable::Open(file_, &left);
    EXPECT_THAT(left, IsEmpty());
    const int ended = table.Add({9, 9, 9, 9, 9, 9});
    table.Add(one);
    table.Add(two);
    table.Remove(ended);
  }
  EXPECT_THAT(Left(), UnorderedElementsAre(one, two));
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ConnectionTableTest, SlotsAreUsedAgainAndUpdated) {
  {
    std::vector<Entry> left;
    ConnectionTable table = *ConnectionTable::Open(file_, &left);
    for (int i = 0; i < 10'000; ++i) {
      const int slot = table.Add({1, 2, 3, 80, i, i});
      EXPECT_EQ(slot, 0);
      table.Update(slot, {1, 2, 3, 80, i, i + 1});
      if (i < 9'999) table.Remove(slot);
    }
  }
  EXPECT_EQ(*FileSize(file_), 32);
  EXPECT_THAT(Left(), ElementsAre(Entry{1, 2, 3, 80, 9'999, 10'000}));
}

TEST_F(ConnectionTableTest, WhatIsTornOrForeignIsLeftOut) {
  ASSERT_TRUE(WriteFile(file_, std::string(32, 'x') + std::string(31, 'C')).ok());
  EXPECT_THAT(Left(), IsEmpty());
}

}  // namespace
}  // namespace paddock::nodeagent
