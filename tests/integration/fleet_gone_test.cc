// Machines whose Node objects are gone: the control plane with a real PostgreSQL, pretended node
// agents and a pretended cluster.
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/integration/fleet_fixture.h"

namespace paddock {
namespace {

using Behaviour = FakeFleet::Behaviour;

class FleetGoneTest : public FleetTest {
 protected:
  void SetUp() override {
    node_listing_ = [this] { return Listing(); };
    FleetTest::SetUp();
  }

  // A new one each time.
  absl::StatusOr<std::string> Listing() {
    absl::MutexLock lock(&cluster_mutex_);
    if (!answers_) return absl::UnavailableError("the API server is away");
    std::string text = absl::StrCat("listing cluster ", ++listings_, "\n");
    for (const std::string& name : objects_) {
      absl::StrAppend(&text, "node ", name, " uid-of-", name, "\n");
    }
    return absl::StrCat(text, "end\n");
  }

  void SetObjects(std::set<std::string> objects) {
    absl::MutexLock lock(&cluster_mutex_);
    objects_ = std::move(objects);
  }
  void SetAnswers(bool answers) {
    absl::MutexLock lock(&cluster_mutex_);
    answers_ = answers;
  }

  // Silent for so long that it would have been declared gone several times over.
  bool LongSilent(const NodeId& node) {
    absl::StatusOr<Node> read = control_plane_->nodes()->Get(node);
    return read.ok() && read->silent_for > settings_.lost_after * 2;
  }

  absl::Mutex cluster_mutex_;
  std::set<std::string> objects_ ABSL_GUARDED_BY(cluster_mutex_) = {"a", "b"};
  int listings_ ABSL_GUARDED_BY(cluster_mutex_) = 0;
  bool answers_ ABSL_GUARDED_BY(cluster_mutex_) = true;
};

TEST_F(FleetGoneTest, ASilentNodeIsGoneWithItsObjectAndNotBefore) {
  const NodeId a = AddNode("a");
  const SessionId keep = Create()->id;
  const SessionId moving = Create(absl::Seconds(10), OnNodeLoss::kReschedule)->id;
  ASSERT_EQ(Get(moving).node_id, a);
  const NodeId b = AddNode("b");
  fleet_.Set(a, Behaviour::kUnreachable);
  fleet_.Fence(a);
  ASSERT_TRUE(Eventually([&] { return LongSilent(a); }));
  EXPECT_EQ(Get(keep).state, SessionPhase::kRunning);
  EXPECT_EQ(Get(moving).generation, 1) << "half of the nodes are silent";
  SetAnswers(false);
  SetObjects({"b"});
  const absl::Duration later = Clock::Real()->Monotonic() + settings_.lost_after;
  ASSERT_TRUE(Eventually([&] { return Clock::Real()->Monotonic() > later; }));
  EXPECT_EQ(Get(keep).state, SessionPhase::kRunning) << "nobody says that the object is gone";
  SetAnswers(true);
  ASSERT_TRUE(Eventually([&] { return Get(keep).state == SessionPhase::kTerminated; }));
  EXPECT_EQ(Get(keep).reason, "NODE_LOST");
  ASSERT_TRUE(Eventually([&] {
    const Session session = Get(moving);
    return session.state == SessionPhase::kRunning && session.node_id == b;
  }));
  EXPECT_TRUE(absl::IsNotFound(control_plane_->nodes()->Get(a).status()));
  EXPECT_EQ(Used(b), 1);
  // The machine was there all the same: what it has is not its own.
  fleet_.Set(a, Behaviour::kRun);
  ASSERT_TRUE(fleet_.Reboot(control_plane_->node_registry(), a).ok());
  EXPECT_TRUE(Eventually([&] { return fleet_.RunningOn(a).empty(); }));
  EXPECT_EQ(Get(keep).state, SessionPhase::kTerminated);
}

TEST_F(FleetGoneTest, ANodeThatBeatsIsThereWhateverTheClusterSays) {
  const NodeId a = AddNode("a");
  AddNode("b");
  SetObjects({"b"});
  const absl::Duration later = Clock::Real()->Monotonic() + settings_.lost_after * 2;
  ASSERT_TRUE(Eventually([&] { return Clock::Real()->Monotonic() > later; }));
  EXPECT_TRUE(control_plane_->nodes()->Get(a).ok());
}

}  // namespace
}  // namespace paddock
