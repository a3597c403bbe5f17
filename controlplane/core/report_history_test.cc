#include "controlplane/core/report_history.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

SessionStatus Running(const std::string& id, int64_t generation = 1) {
  SessionStatus status;
  status.session_id = SessionId(id);
  status.generation = generation;
  status.state = SessionPhase::kRunning;
  return status;
}

PlacementState Placed(const std::string& id, int64_t revision, int64_t generation = 1) {
  PlacementState placement;
  placement.session_id = SessionId(id);
  placement.generation = generation;
  placement.node_revision = revision;
  placement.phase = SessionPhase::kRunning;
  return placement;
}

HeartbeatReport Report(int64_t sequence, int64_t applied, std::vector<SessionStatus> sessions) {
  HeartbeatReport report;
  report.id = NodeId("node-1");
  report.epoch = "epoch-1";
  report.sequence = sequence;
  report.applied_revision = applied;
  report.sessions = std::move(sessions);
  return report;
}

class ReportHistoryTest : public ::testing::Test {
 protected:
  // Looks, plans and remembers, as the registry does.
  ReportPlan Digest(const HeartbeatReport& report, int64_t revision,
                    const std::vector<PlacementState>& placements) {
    const ReportHistory::Look look = history_.Begin(report, revision, now_);
    const ReportPlan plan =
        PlanReport(placements, ReportHistory::Concerned(report, look, placements),
                   report.applied_revision, ReportKind::kComplete);
    history_.End(report, revision, look, placements, plan, now_);
    return plan;
  }
  ReportHistory::Look Look(const HeartbeatReport& report, int64_t revision) {
    return history_.Begin(report, revision, now_);
  }

  ReportHistory history_;
  absl::Duration now_ = absl::Seconds(100);
};

TEST_F(ReportHistoryTest, TheFirstReportIsLookedAtWhole) {
  const ReportHistory::Look look = Look(Report(1, 0, {Running("a")}), 1);
  EXPECT_TRUE(look.needed);
  EXPECT_TRUE(look.whole);
}

TEST_F(ReportHistoryTest, AnEqualReportAtTheSameRevisionNeedsNoLook) {
  Digest(Report(1, 7, {Running("a"), Running("b")}), 7, {Placed("a", 5), Placed("b", 7)});
  EXPECT_FALSE(Look(Report(2, 7, {Running("b"), Running("a")}), 7).needed);
}

TEST_F(ReportHistoryTest, OnlyWhatIsNewIsLookedAt) {
  Digest(Report(1, 7, {Running("a"), Running("b"), Running("c")}), 7,
         {Placed("a", 5), Placed("b", 6), Placed("c", 7)});
  SessionStatus ended = Running("b");
  ended.state = SessionPhase::kTerminated;
  const ReportHistory::Look look = Look(Report(2, 7, {Running("a"), ended, Running("d")}), 8);
  EXPECT_TRUE(look.needed);
  EXPECT_FALSE(look.whole);
  EXPECT_EQ(look.after_revision, 7);
  EXPECT_THAT(look.sessions, UnorderedElementsAre(SessionId("b"), SessionId("c"), SessionId("d")));
}

TEST_F(ReportHistoryTest, WhatTheAgentHasNotAppliedIsLookedAtAgain) {
  Digest(Report(1, 3, {Running("a")}), 7, {Placed("a", 7)});
  const ReportHistory::Look look = Look(Report(2, 3, {Running("a")}), 7);
  EXPECT_TRUE(look.needed);
  EXPECT_EQ(look.after_revision, 3);
}

TEST_F(ReportHistoryTest, APlacementThatIsMissingStaysUnsettled) {
  Digest(Report(1, 7, {Running("a")}), 7, {Placed("a", 5), Placed("b", 6), Placed("c", 7)});
  const ReportHistory::Look look = Look(Report(2, 7, {Running("a")}), 7);
  EXPECT_TRUE(look.needed);
  EXPECT_EQ(look.after_revision, 7);
  EXPECT_THAT(look.sessions, UnorderedElementsAre(SessionId("b"), SessionId("c")));
}

TEST_F(ReportHistoryTest, WhatAPlanActedOnIsLookedAtOnceMore) {
  SessionStatus ended = Running("a");
  ended.state = SessionPhase::kTerminated;
  ended.reason = "CONTAINER_EXITED";
  EXPECT_EQ(Digest(Report(1, 7, {ended}), 7, {Placed("a", 7)}).transitions.size(), 1u);
  EXPECT_THAT(Look(Report(2, 7, {ended}), 7).sessions, ElementsAre(SessionId("a")));
}

TEST_F(ReportHistoryTest, AnotherEpochAndTheTimeStartAgain) {
  const HeartbeatReport report = Report(1, 7, {Running("a")});
  Digest(report, 7, {Placed("a", 7)});
  HeartbeatReport restarted = Report(1, 0, {Running("a")});
  restarted.epoch = "epoch-2";
  EXPECT_TRUE(Look(restarted, 7).whole);
  now_ += ReportHistory::kWholeLook;
  EXPECT_TRUE(Look(Report(2, 7, {Running("a")}), 7).whole);
}

TEST_F(ReportHistoryTest, AnOlderReportThatEndsLateChangesNothing) {
  Digest(Report(1, 1, {}), 1, {});
  const HeartbeatReport older = Report(2, 1, {Running("a")});
  const ReportHistory::Look look = Look(older, 2);
  // Meanwhile the next one has come: `a` is gone from it, and ordered to run at revision 2.
  Digest(Report(3, 2, {}), 2, {Placed("a", 2)});
  history_.End(older, 2, look, {Placed("a", 2)}, ReportPlan(), now_);
  EXPECT_THAT(Look(Report(4, 2, {}), 2).sessions, ElementsAre(SessionId("a")));
}

TEST_F(ReportHistoryTest, AReportThatWasComparedWithAnOlderOneIsNotRemembered) {
  Digest(Report(1, 1, {}), 1, {});
  const HeartbeatReport early = Report(2, 1, {}), late = Report(3, 2, {});
  const ReportHistory::Look early_look = Look(early, 2);
  const ReportHistory::Look late_look = Look(late, 2);
  EXPECT_EQ(late_look.compared_with, 1);
  history_.End(early, 2, early_look, {Placed("a", 2)}, ReportPlan(), now_);
  history_.End(late, 2, late_look, {Placed("a", 2)}, ReportPlan(), now_);
  EXPECT_EQ(Look(Report(4, 2, {}), 2).compared_with, 2);
}

TEST_F(ReportHistoryTest, AnAgentThatRegistersAnewIsLookedAtWhole) {
  Digest(Report(5, 7, {Running("a")}), 7, {Placed("a", 7)});
  EXPECT_TRUE(Look(Report(0, 0, {Running("a")}), 7).whole);
  EXPECT_TRUE(Look(Report(5, 7, {Running("a")}), 7).whole);
  // The node was removed and has come again.
  EXPECT_TRUE(Look(Report(6, 1, {Running("a")}), 1).whole);
}

TEST_F(ReportHistoryTest, ASessionAtTwoGenerationsHidesNoMissingOne) {
  Digest(Report(1, 7, {Running("a", 2), Running("b")}), 7, {Placed("a", 6, 2), Placed("b", 7)});
  const ReportHistory::Look look = Look(Report(2, 7, {Running("a", 1), Running("a", 2)}), 7);
  EXPECT_THAT(look.sessions, UnorderedElementsAre(SessionId("a"), SessionId("b")));
}

// A node and what is desired of it, changed at random; every report is planned whole and by what is
// new, and both must lead to the same.
class RandomNode {
 public:
  explicit RandomNode(unsigned seed) : random_(seed) {}

  void Change() {
    switch (random_() % 6) {
      case 0:
      case 1:
        Place();
        break;
      case 2:
        OrderStop();
        break;
      case 3:
        StartOnAgent();
        break;
      case 4:
        LoseOnAgent();
        break;
      case 5:
        EndOnAgent();
        break;
    }
  }

  HeartbeatReport NextReport() {
    std::vector<SessionStatus> sessions;
    for (const auto& [id, status] : agent_) sessions.push_back(status);
    return Report(++sequence_, applied_, std::move(sessions));
  }

  std::vector<PlacementState> Placements(int64_t after,
                                         const std::vector<SessionId>& sessions) const {
    std::vector<PlacementState> found;
    for (const auto& [id, placement] : placements_) {
      const bool named =
          std::find(sessions.begin(), sessions.end(), placement.session_id) != sessions.end();
      if (placement.node_revision > after || named) found.push_back(placement);
    }
    return found;
  }

  void CarryOut(const ReportPlan& plan) {
    for (const SessionTransition& transition : plan.transitions) {
      PlacementState& placement = placements_.at(transition.id.value());
      placement.phase = transition.to;
      placement.reason = transition.reason;
      if (transition.stop_reason.empty()) continue;
      placement.stop = true;
      placement.node_revision = ++revision_;
    }
    for (const NodeStore::Absent& absent : plan.absent) {
      placements_.erase(absent.session_id.value());
    }
    for (const SessionStop& stop : plan.stops) agent_.erase(stop.session_id.value());
  }

  // The agent applies what was desired at `revision`; or the answer was lost.
  void Answer(int64_t revision) {
    if (random_() % 4 == 0) return;
    for (const auto& [id, placement] : placements_) {
      if (placement.node_revision > revision) continue;
      if (placement.stop) agent_.erase(id);
      if (!placement.stop && agent_.count(id) == 0 && placement.node_revision > applied_) {
        agent_[id] = Running(id);
      }
    }
    applied_ = std::max(applied_, revision);
  }

  // The node is removed, with all that was placed on it; its agent registers anew, as it was.
  void Remove() {
    placements_.clear();
    revision_ = 1;
    applied_ = 0;
    sequence_ = -1;
  }

  int64_t revision() const { return revision_; }

 private:
  std::string Any(size_t size) { return absl::StrCat("s", random_() % std::max<size_t>(size, 1)); }
  void Place() {
    const std::string id = absl::StrCat("s", next_++);
    placements_[id] = Placed(id, ++revision_);
    if (random_() % 2 == 0) placements_[id].age = 2 * kMissingGrace;
    if (random_() % 2 == 0) agent_[id] = Running(id);  // The direct call got through.
  }
  void OrderStop() {
    auto it = placements_.find(Any(next_));
    if (it == placements_.end() || it->second.stop) return;
    it->second.stop = true;
    it->second.node_revision = ++revision_;
    if (random_() % 2 == 0) agent_.erase(it->first);
  }
  void StartOnAgent() {
    const std::string id = absl::StrCat("stale", random_() % 3);
    agent_[id] = Running(id);
  }
  void LoseOnAgent() {
    if (!agent_.empty()) agent_.erase(agent_.begin());
  }
  void EndOnAgent() {
    auto it = agent_.find(Any(next_));
    if (it == agent_.end()) return;
    it->second.state = SessionPhase::kTerminated;
    it->second.reason = "CONTAINER_EXITED";
  }

  std::mt19937 random_;
  std::map<std::string, PlacementState> placements_;
  std::map<std::string, SessionStatus> agent_;
  int64_t revision_ = 1;
  int64_t applied_ = 0;
  int64_t sequence_ = 0;
  size_t next_ = 0;
};

std::vector<std::string> Describe(const ReportPlan& plan) {
  std::vector<std::string> lines;
  for (const SessionTransition& step : plan.transitions) {
    lines.push_back(absl::StrCat("to ", SessionPhaseName(step.to), " ", step.id.value()));
  }
  for (const NodeStore::Absent& absent : plan.absent) {
    lines.push_back(absl::StrCat("absent ", absent.session_id.value()));
  }
  for (const SessionStop& stop : plan.stops) {
    lines.push_back(absl::StrCat("stop ", stop.session_id.value()));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// What has been done and read in all.
struct Work {
  size_t acted = 0, read = 0, all = 0;
};

// A report that comes to `history`, the memory of one replica.
void Look(const HeartbeatReport& report, absl::Duration now, bool fails, RandomNode* node,
          ReportHistory* history, Work* work) {
  const int64_t revision = node->revision();
  const auto whole = node->Placements(0, {});
  const ReportPlan expected =
      PlanReport(whole, report.sessions, report.applied_revision, ReportKind::kComplete);
  const ReportHistory::Look look = history->Begin(report, revision, now);
  if (!look.needed) {
    ASSERT_THAT(Describe(expected), IsEmpty());
    return;
  }
  const auto placements = look.whole ? whole : node->Placements(look.after_revision, look.sessions);
  const ReportPlan plan = PlanReport(placements, ReportHistory::Concerned(report, look, placements),
                                     report.applied_revision, ReportKind::kComplete);
  ASSERT_EQ(Describe(plan), Describe(expected));
  if (fails) return;  // The database went away in between.
  node->CarryOut(plan);
  history->End(report, revision, look, placements, plan, now);
  node->Answer(revision);
  work->acted += Describe(plan).size();
  work->read += placements.size();
  work->all += whole.size();
}

class ReportHistoryRandomTest : public ::testing::TestWithParam<size_t> {};

TEST_P(ReportHistoryRandomTest, LookingAtWhatIsNewLeadsToTheSameAsLookingAtAll) {
  Work work;
  for (unsigned seed = 0; seed < 200; ++seed) {
    RandomNode node(seed);
    std::mt19937 random(seed);
    std::vector<ReportHistory> replicas(GetParam());
    for (int step = 0; step < 100; ++step) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", step ", step));
      for (unsigned i = 0; i < 1 + seed % 3; ++i) node.Change();
      ReportHistory& replica = replicas[random() % replicas.size()];
      const absl::Duration now = absl::Milliseconds(100 * step);
      if (random() % 50 == 0) {
        node.Remove();
        // That is told to each in time; see Begin for those that it isn't told to.
        for (ReportHistory& one : replicas) {
          Look(node.NextReport(), now, /*fails=*/false, &node, &one, &work);
          if (HasFatalFailure()) return;
        }
        continue;
      }
      Look(node.NextReport(), now, random() % 10 == 0, &node, &replica, &work);
      if (HasFatalFailure()) return;
    }
  }
  // What was compared was no empty play, and less was read.
  EXPECT_GT(work.acted, 1000u);
  EXPECT_LT(work.read, work.all * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Replicas, ReportHistoryRandomTest, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace paddock
