#include "nodeagent/session/egress_archive.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/ids.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr char kId[] = "sesn_01m84788jmcq47gswnbtbn29yc";

class EgressArchiveTest : public ::testing::Test {
 protected:
  EgressArchiveTest() {
    char name[] = "/tmp/paddock-egress-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    archive_ = std::make_unique<EgressArchive>(directory_ + "/egress");
  }
  ~EgressArchiveTest() override { EXPECT_TRUE(RemoveTree(directory_).ok()); }

  static std::vector<EgressEvent> Events(const std::string& name) {
    EgressEvent event;
    event.sequence = 4;
    event.time = absl::FromUnixMicros(1'700'000'000'000'001);
    event.name = name;
    event.reason = "not in allowed_hosts";
    return {event};
  }
  size_t Files() const {
    const auto names = ListDirectory(directory_ + "/egress");
    return names.ok() ? names->size() : 0;
  }

  std::string directory_;
  std::unique_ptr<EgressArchive> archive_;
};

TEST_F(EgressArchiveTest, KeepsTheEventsOfTheNewestGeneration) {
  EXPECT_TRUE(archive_->Load(kId, 1)->empty());
  ASSERT_TRUE(archive_->Save(kId, 1, Events("a.example")).ok());
  ASSERT_TRUE(archive_->Save(kId, 2, Events("b.example")).ok());
  EXPECT_TRUE(archive_->Load(kId, 1)->empty());
  const auto events = archive_->Load(kId, 2);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].name, "b.example");
  EXPECT_EQ((*events)[0].sequence, 4);
  EXPECT_EQ((*events)[0].time, Events("")[0].time);
}

TEST_F(EgressArchiveTest, WithoutEventsNothingIsWrittenNorReplaced) {
  ASSERT_TRUE(archive_->Save(kId, 1, {}).ok());
  EXPECT_EQ(Files(), 0u);
  ASSERT_TRUE(archive_->Save(kId, 1, Events("a.example")).ok());
  ASSERT_TRUE(archive_->Save(kId, 1, {}).ok());
  EXPECT_EQ(archive_->Load(kId, 1)->size(), 1u);
}

TEST_F(EgressArchiveTest, RemovesWhatIsForgotten) {
  EXPECT_TRUE(archive_->Remove(kId).ok());
  ASSERT_TRUE(archive_->Save(kId, 1, Events("a.example")).ok());
  EXPECT_TRUE(archive_->Remove(kId).ok());
  EXPECT_EQ(Files(), 0u);
}

TEST_F(EgressArchiveTest, IdsThatAreNoneReachNoFile) {
  EXPECT_FALSE(archive_->Save("../../x", 1, Events("a.example")).ok());
  EXPECT_TRUE(archive_->Load("../../x", 1)->empty());
  EXPECT_TRUE(archive_->Remove("../../x").ok());
}

TEST_F(EgressArchiveTest, HalfAFileIsNoReasonToFail) {
  ASSERT_TRUE(archive_->Save(kId, 1, Events("a.example")).ok());
  ASSERT_TRUE(WriteFile(absl::StrCat(directory_, "/egress/", kId, ".json"), "{\"gen").ok());
  EXPECT_TRUE(archive_->Load(kId, 1)->empty());
}

TEST_F(EgressArchiveTest, PruneRemovesWhatIsOld) {
  EXPECT_TRUE(archive_->Prune(Clock::Real()->Now()).ok());
  ASSERT_TRUE(archive_->Save(kId, 1, Events("a.example")).ok());
  ASSERT_TRUE(archive_->Prune(Clock::Real()->Now()).ok());
  EXPECT_EQ(Files(), 1u);
  ASSERT_TRUE(archive_->Prune(Clock::Real()->Now() + EgressArchive::kKeep + absl::Hours(1)).ok());
  EXPECT_EQ(Files(), 0u);
}

TEST_F(EgressArchiveTest, PruneKeepsTheNewestWithinTheBounds) {
  const absl::Time now = Clock::Real()->Now();
  std::string last;
  for (size_t i = 0; i < EgressArchive::kMaxFiles + 3; ++i) {
    last = NewId(kSessionPrefix, now);
    ASSERT_TRUE(archive_->Save(last, 1, Events("a.example")).ok());
  }
  ASSERT_TRUE(archive_->Prune(now).ok());
  EXPECT_EQ(Files(), EgressArchive::kMaxFiles);
  EXPECT_EQ(archive_->Load(last, 1)->size(), 1u);
}

}  // namespace
}  // namespace paddock::nodeagent
