#include "controlplane/core/gone_detector.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

// Three nodes of a cluster; each second one read, every ten a listing.
class GoneDetectorTest : public testing::Test {
 protected:
  GoneDetectorTest() {
    for (int i = 0; i < 3; ++i) {
      Node node;
      node.id = NodeId(absl::StrCat("node-", i));
      node.details[kNodeObjectDetail] = absl::StrCat("c1/machine-", i, "/uid-", i);
      nodes_.push_back(node);
      objects_[absl::StrCat("machine-", i)] = absl::StrCat("uid-", i);
    }
  }

  void List() {
    listing_.emplace();
    listing_->cluster = "c1";
    listing_->stamp = absl::StrCat(++listings_);
    listing_->uids = objects_;
  }

  std::vector<GoneDetector::Gone> Watch(absl::Duration duration, const std::set<int>& silent) {
    std::vector<GoneDetector::Gone> gone;
    for (absl::Duration passed; passed < duration; passed += absl::Seconds(1)) {
      now_ += absl::Seconds(1);
      if (api_answers_ && ++seconds_ % 10 == 0) List();
      for (int i = 0; i < 3; ++i) {
        if (silent.count(i) == 0) ++nodes_[i].heartbeat_counter;
      }
      gone = detector_.Observe(now_, nodes_, listing_);
    }
    return gone;
  }

  const Settings settings_;
  GoneDetector detector_{settings_};
  std::vector<Node> nodes_;
  std::map<std::string, std::string> objects_;
  std::optional<NodeListing> listing_;
  bool api_answers_ = true;
  int listings_ = 0;
  int seconds_ = 0;
  absl::Duration now_;
};

TEST_F(GoneDetectorTest, ASilentNodeWithoutItsObjectIsGoneAfterLostAfterAndNotEarlier) {
  Watch(absl::Seconds(15), {});
  objects_.erase("machine-1");
  EXPECT_TRUE(Watch(settings_.lost_after - absl::Seconds(1), {1}).empty());
  const auto gone = Watch(absl::Seconds(2), {1});
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].id.value(), "node-1");
  EXPECT_EQ(gone[0].heartbeat_counter, nodes_[1].heartbeat_counter);
  EXPECT_EQ(gone[0].object, "c1/machine-1/uid-1");
}

TEST_F(GoneDetectorTest, ItDoesNotMatterHowManyAreSilent) {
  objects_ = {{"machine-0", "uid-0"}};
  EXPECT_EQ(Watch(absl::Minutes(2), {0, 1, 2}).size(), 2u);
}

TEST_F(GoneDetectorTest, ANodeThatAnswersIsNotGone) {
  objects_.erase("machine-1");
  EXPECT_TRUE(Watch(absl::Minutes(10), {}).empty());
}

TEST_F(GoneDetectorTest, ASilentNodeWhoseObjectIsThereIsNotGone) {
  EXPECT_TRUE(Watch(absl::Minutes(10), {1}).empty());
}

TEST_F(GoneDetectorTest, OneHeartbeatStartsTheCountAgain) {
  objects_.erase("machine-1");
  Watch(absl::Seconds(59), {1});
  ++nodes_[1].heartbeat_counter;
  EXPECT_TRUE(Watch(absl::Seconds(59), {1}).empty());
  EXPECT_EQ(Watch(absl::Seconds(3), {1}).size(), 1u);
}

TEST_F(GoneDetectorTest, AnObjectOfAnotherUidIsNotTheMachines) {
  objects_["machine-1"] = "uid-of-its-successor";
  EXPECT_TRUE(Watch(absl::Minutes(10), {1}).empty());
}

TEST_F(GoneDetectorTest, ListingsOfBeforeTheSilenceProveNothing) {
  objects_.erase("machine-1");
  Watch(absl::Minutes(1), {});  // Listed without it six times, while it answered.
  api_answers_ = false;
  EXPECT_TRUE(Watch(absl::Minutes(10), {1}).empty());
}

TEST_F(GoneDetectorTest, AnApiServerThatFallsSilentProvesNothing) {
  Watch(absl::Seconds(15), {});
  objects_.erase("machine-1");
  Watch(absl::Seconds(20), {1});  // Two listings.
  api_answers_ = false;
  EXPECT_TRUE(Watch(absl::Minutes(10), {1}).empty());
  api_answers_ = true;
  EXPECT_EQ(Watch(absl::Seconds(10), {1}).size(), 1u) << "the third";
}

TEST_F(GoneDetectorTest, AnObjectThatComesBackStartsTheListingsAgain) {
  Watch(absl::Seconds(15), {});
  objects_.erase("machine-1");
  Watch(absl::Seconds(25), {1});
  objects_["machine-1"] = "uid-1";
  Watch(absl::Minutes(1), {1});
  objects_.erase("machine-1");
  EXPECT_TRUE(Watch(absl::Seconds(20), {1}).empty());
  EXPECT_EQ(Watch(absl::Seconds(10), {1}).size(), 1u);
}

TEST_F(GoneDetectorTest, AGapInReadingStartsEveryCountAgain) {
  objects_.erase("machine-1");
  Watch(absl::Seconds(59), {1});
  now_ += absl::Minutes(60);
  EXPECT_TRUE(Watch(absl::Seconds(59), {1}).empty());
  EXPECT_EQ(Watch(absl::Seconds(3), {1}).size(), 1u);
}

TEST_F(GoneDetectorTest, WithoutAListingNobodyIsGone) {
  api_answers_ = false;
  EXPECT_TRUE(Watch(absl::Minutes(10), {0, 1, 2}).empty());
}

TEST_F(GoneDetectorTest, ANodeThatNamesNoObjectIsNeverGone) {
  objects_.erase("machine-1");
  nodes_[1].details.clear();
  EXPECT_TRUE(Watch(absl::Minutes(10), {1}).empty());
  nodes_[1].details[kNodeObjectDetail] = "machine-1";
  EXPECT_TRUE(Watch(absl::Minutes(10), {1}).empty());
  nodes_[1].details[kNodeObjectDetail] = "another-cluster/machine-1/uid-1";
  EXPECT_TRUE(Watch(absl::Minutes(10), {1}).empty());
}

}  // namespace
}  // namespace paddock
