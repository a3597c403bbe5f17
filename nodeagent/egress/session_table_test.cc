#include "nodeagent/egress/session_table.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

class SessionTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/session_table_test.XXXXXX";
    directory_ = mkdtemp(path);
  }
  void TearDown() override { ASSERT_TRUE(RemoveTree(directory_).ok()); }
  SessionTable Load(const char* boot = "boot") { return *SessionTable::Load(directory_, boot); }
  GatewaySession Session(const char* id, const char* address) {
    GatewaySession session;
    session.session_id = id;
    session.address = address;
    session.router_veth = "s0x0000";
    session.fenced = true;
    return session;
  }
  std::string directory_;
};

TEST_F(SessionTableTest, SurvivesAProcessButNoReboot) {
  SessionTable table = Load();
  ASSERT_TRUE(table.Put(Session("a", "10.0.0.1")).ok());
  ASSERT_TRUE(table.Put(Session("b", "10.0.0.2")).ok());
  ASSERT_TRUE(table.MarkKilled("b").ok());
  ASSERT_TRUE(table.Remove("none").ok());
  SessionTable again = Load();
  ASSERT_EQ(again.All().size(), 2u);
  EXPECT_FALSE(again.Find("a")->killed);
  EXPECT_TRUE(again.Find("b")->killed);
  EXPECT_EQ(again.FindByAddress("10.0.0.2")->session.session_id, "b");
  EXPECT_TRUE(Load("another boot").All().empty());
  EXPECT_TRUE(ListDirectory(directory_)->empty());
}

TEST_F(SessionTableTest, PutReplacesAndMovesTheAddress) {
  SessionTable table = Load();
  ASSERT_TRUE(table.Put(Session("a", "10.0.0.1")).ok());
  ASSERT_TRUE(table.MarkKilled("a").ok());
  ASSERT_TRUE(table.Put(Session("a", "10.0.0.2")).ok());
  EXPECT_EQ(table.FindByAddress("10.0.0.1"), nullptr);
  EXPECT_FALSE(table.Find("a")->killed);
  EXPECT_TRUE(table.Put(Session("b", "10.0.0.1")).ok());
}

TEST_F(SessionTableTest, AnAddressHasOneOwner) {
  SessionTable table = Load();
  ASSERT_TRUE(table.Put(Session("a", "10.0.0.1")).ok());
  EXPECT_EQ(table.Put(Session("b", "10.0.0.1")).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Load().All().size(), 1u);
  ASSERT_TRUE(table.Remove("a").ok());
  EXPECT_TRUE(table.Put(Session("b", "10.0.0.1")).ok());
}

TEST_F(SessionTableTest, RefusesWhatCantBeAFileOrAnAddress) {
  SessionTable table = Load();
  for (const char* id : {"", "../x", "a/b", "a b", "."}) {
    EXPECT_FALSE(table.Put(Session(id, "10.0.0.1")).ok()) << id;
  }
  EXPECT_FALSE(table.Put(Session("a", "10.0.0")).ok());
  EXPECT_TRUE(ListDirectory(directory_)->empty());
}

TEST_F(SessionTableTest, DropsFilesThatMakeNoSense) {
  ASSERT_TRUE(Load().Put(Session("good", "10.0.0.1")).ok());
  ASSERT_TRUE(WriteFile(absl::StrCat(directory_, "/empty.json"), "").ok());
  ASSERT_TRUE(WriteFile(absl::StrCat(directory_, "/left.json.tmp"), "{}").ok());
  std::string good = *ReadFile(absl::StrCat(directory_, "/good.json"));
  ASSERT_TRUE(WriteFile(absl::StrCat(directory_, "/alias.json"), good).ok());
  EXPECT_EQ(Load().All().size(), 1u);
  EXPECT_EQ(ListDirectory(directory_)->size(), 1u);
}

}  // namespace
}  // namespace paddock::nodeagent
