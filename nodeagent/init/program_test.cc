// Tests of the sandbox program's pure parts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "nodeagent/init/program/environment.h"
#include "nodeagent/init/program/payload.h"
#include "nodeagent/init/program/user_database.h"

// The program's own code frees nothing: it runs in a forked child that executes a command next.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "leak:paddock::nodeagent::program::";
}

namespace paddock::nodeagent::program {
namespace {

using ::testing::ElementsAre;

class UserDatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write(passwd_,
          "root:x:0:0:root:/home/root:/bin/sh\n"
          "broken:x:abc:0::/:\n"
          "me:x:1000:100:Me:/home/me:/bin/sh\n"
          "1000:x:2000:2000::/home/number:/bin/sh\n"
          "homeless:x:1001:100:::\n"
          "huge:x:4294967295:0::/:/bin/sh\n"
          "last:x:1002:100::/home/last:");
    Write(group_, "root:x:0:\nus:x:50:you,me\nusers:x:100:me\nmeme:x:60:meme,other\nall:x:70:me\n");
  }
  void TearDown() override {
    unlink(passwd_.c_str());
    unlink(group_.c_str());
  }
  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  }
  LookUpResult LookUp(const std::string& spec) {
    return LookUpUser(spec.c_str(), passwd_.c_str(), group_.c_str(), &user_);
  }
  std::vector<gid_t> Groups() { return {user_.groups, user_.groups + user_.group_count}; }

  std::string passwd_ = ::testing::TempDir() + "/passwd." + std::to_string(getpid());
  std::string group_ = ::testing::TempDir() + "/group." + std::to_string(getpid());
  User user_;
};

TEST_F(UserDatabaseTest, EmptyMeansRootWithItsHome) {
  ASSERT_EQ(LookUp(""), LookUpResult::kFound);
  EXPECT_EQ(user_.uid, 0u);
  EXPECT_STREQ(user_.home, "/home/root");
}

TEST_F(UserDatabaseTest, RootNeedsNoEntry) {
  Write(passwd_, "");
  ASSERT_EQ(LookUp(""), LookUpResult::kFound);
  EXPECT_EQ(user_.uid, 0u);
  EXPECT_STREQ(user_.name, "root");
  EXPECT_STREQ(user_.home, "/root");
}

TEST_F(UserDatabaseTest, FindsNameWithSupplementaryGroups) {
  ASSERT_EQ(LookUp("me"), LookUpResult::kFound);
  EXPECT_EQ(user_.uid, 1000u);
  EXPECT_EQ(user_.gid, 100u);
  EXPECT_THAT(Groups(), ElementsAre(100, 50, 70));
  EXPECT_STREQ(user_.home, "/home/me");
}

TEST_F(UserDatabaseTest, NamesGoBeforeNumbers) {
  ASSERT_EQ(LookUp("1000"), LookUpResult::kFound);
  EXPECT_EQ(user_.uid, 2000u);
}

TEST_F(UserDatabaseTest, TakesNumbersWithAndWithoutEntry) {
  ASSERT_EQ(LookUp("1002"), LookUpResult::kFound);
  EXPECT_STREQ(user_.name, "last");
  ASSERT_EQ(LookUp("4242"), LookUpResult::kFound);
  EXPECT_EQ(user_.uid, 4242u);
  EXPECT_EQ(user_.gid, 0u);
  EXPECT_STREQ(user_.home, "/");
}

TEST_F(UserDatabaseTest, GivenGroupIsTheOnlyOne) {
  ASSERT_EQ(LookUp("me:us"), LookUpResult::kFound);
  EXPECT_EQ(user_.gid, 50u);
  EXPECT_THAT(Groups(), ElementsAre(50));
  ASSERT_EQ(LookUp("me:77"), LookUpResult::kFound);
  EXPECT_THAT(Groups(), ElementsAre(77));
  ASSERT_EQ(LookUp(":us"), LookUpResult::kFound);
  EXPECT_EQ(user_.uid, 0u);
  EXPECT_EQ(user_.gid, 50u);
}

TEST_F(UserDatabaseTest, SaysWhatIsMissing) {
  EXPECT_EQ(LookUp("stranger"), LookUpResult::kNoSuchUser);
  EXPECT_EQ(LookUp("me:strangers"), LookUpResult::kNoSuchGroup);
  EXPECT_EQ(LookUp("-1"), LookUpResult::kNoSuchUser);
  EXPECT_EQ(LookUp("4294967295"), LookUpResult::kNoSuchUser);
  EXPECT_EQ(LookUp("99999999999999999999"), LookUpResult::kNoSuchUser);
  EXPECT_EQ(LookUp("huge"), LookUpResult::kNoSuchUser);
  EXPECT_EQ(LookUp("broken"), LookUpResult::kNoSuchUser);
  EXPECT_EQ(LookUp(std::string(300, 'a')), LookUpResult::kNoSuchUser);
}

TEST_F(UserDatabaseTest, EmptyHomeIsTheRootDirectory) {
  ASSERT_EQ(LookUp("homeless"), LookUpResult::kFound);
  EXPECT_STREQ(user_.home, "/");
}

TEST_F(UserDatabaseTest, SkipsOverlongLines) {
  Write(passwd_, "a:" + std::string(70000, 'x') + ":1:1::/:\nme:x:1000:100::/home/me:\n" +
                     std::string(70000, 'y'));
  ASSERT_EQ(LookUp("me"), LookUpResult::kFound);
  EXPECT_EQ(user_.uid, 1000u);
  EXPECT_EQ(LookUp("a"), LookUpResult::kNoSuchUser);
}

TEST_F(UserDatabaseTest, FifoInPlaceOfTheFileDoesNotBlock) {
  unlink(passwd_.c_str());
  ASSERT_EQ(mkfifo(passwd_.c_str(), 0600), 0);
  EXPECT_EQ(LookUp("me"), LookUpResult::kNoSuchUser);
}

TEST(EnvironmentTest, LaterOnesWin) {
  User user = {};
  strcpy(user.name, "me");
  strcpy(user.home, "/home/me");
  char path[] = "PATH=/bin", home[] = "HOME=/root", keep[] = "KEEP=1";
  char* own[] = {path, home, keep, nullptr};
  char other[] = "USER=other", opt[] = "PATH=/opt", hom[] = "HOM=x";
  char* requested[] = {other, opt, hom};
  char** built = BuildEnvironment(own, requested, 3, user, /*terminal=*/true);
  ASSERT_NE(built, nullptr);
  std::vector<std::string> list;
  for (char** next = built; *next != nullptr; ++next) list.push_back(*next);
  EXPECT_THAT(list, ElementsAre("PATH=/opt", "HOME=/home/me", "KEEP=1", "USER=other", "LOGNAME=me",
                                "HOM=x", "TERM=xterm"));
  EXPECT_STREQ(FindVariable(built, "PATH"), "/opt");
  EXPECT_EQ(FindVariable(built, "PAT"), nullptr);
}

bool Parses(std::string bytes, uint32_t arguments, uint32_t variables) {
  Payload payload;
  return ParsePayload(bytes.data(), bytes.size(), arguments, variables, &payload);
}

TEST(PayloadTest, IsExactlyWhatTheCountsPromise) {
  std::string good("u\0/d\0a\0b\0E=1\0", 13);
  EXPECT_TRUE(Parses(good, 2, 1));
  EXPECT_FALSE(Parses(good, 1, 1)) << "left over";
  EXPECT_FALSE(Parses(good, 3, 1)) << "missing";
  EXPECT_FALSE(Parses(good, 0, 3)) << "no command";
  EXPECT_FALSE(Parses(good.substr(0, 12), 2, 1)) << "unterminated";
  EXPECT_FALSE(Parses("", 1, 0));
  EXPECT_FALSE(Parses(good, 0xffffffff, 1));
  EXPECT_FALSE(Parses(good, 2, 0xffffffff));
}

}  // namespace
}  // namespace paddock::nodeagent::program
