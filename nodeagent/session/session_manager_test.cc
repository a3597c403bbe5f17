#include "nodeagent/session/session_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/fakes/nodeagent/session_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SessionManagerTest : public SessionFixture {};

TEST_F(SessionManagerTest, StartsAndStops) {
  const auto status = Put(Spec(1));
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->phase, SessionPhase::kRunning);
  EXPECT_EQ(status->step_durations.size(), 5u);
  EXPECT_EQ(machine().Things().size(), 5u);
  const auto last = Stop(1);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ((*last)->phase, SessionPhase::kTerminated);
  EXPECT_THAT(machine().Things(), IsEmpty());
  EXPECT_THAT(manager().Statuses(), IsEmpty());
  EXPECT_FALSE(RecordExists());
}

TEST_F(SessionManagerTest, PolicyIsInForceBeforeTheContainerStarts) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  const auto calls = machine().Calls();
  const auto gateway = std::find(calls.begin(), calls.end(), "gateway.Put");
  const auto start = std::find(calls.begin(), calls.end(), "runtime.Start");
  EXPECT_LT(gateway, start);
  EXPECT_NE(start, calls.end());
}

TEST_F(SessionManagerTest, SamePutAnswersTheSame) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  const auto again = Put(Spec(1));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->phase, SessionPhase::kRunning);
  EXPECT_EQ(machine().StartsOf(kId), 1);
}

TEST_F(SessionManagerTest, PutJoinsAStartUnderWay) {
  absl::Notification entered, release;
  machine().SetHook([&](const std::string& call) {
    if (call != "runtime.Start") return;
    entered.Notify();
    release.WaitForNotification();
  });
  Waiter first(&manager(), Spec(1));
  entered.WaitForNotification();
  Waiter second(&manager(), Spec(1));
  release.Notify();
  EXPECT_EQ(first.Wait()->phase, SessionPhase::kRunning);
  EXPECT_EQ(second.Wait()->phase, SessionPhase::kRunning);
  EXPECT_EQ(machine().StartsOf(kId), 1);
}

TEST_F(SessionManagerTest, AnAcceptedPutIsListedAtOnce) {
  absl::Notification release;
  machine().SetHook([&](const std::string& call) {
    if (call == "layer.Get") release.WaitForNotification();
  });
  Waiter put(&manager(), Spec(1));
  const auto statuses = manager().Statuses();
  ASSERT_EQ(statuses.size(), 1u);
  EXPECT_EQ(statuses[0].phase, SessionPhase::kStarting);
  release.Notify();
  ASSERT_TRUE(put.Wait().ok());
}

TEST_F(SessionManagerTest, DelayedMessagesResurrectNothing) {
  ASSERT_TRUE(Put(Spec(2)).ok());
  ASSERT_TRUE(Stop(2).ok());
  EXPECT_EQ(Put(Spec(2)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Put(Spec(1)).status().code(), absl::StatusCode::kFailedPrecondition);
  NewAgent();
  EXPECT_EQ(Put(Spec(2)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(machine().Things(), IsEmpty());
  EXPECT_TRUE(Put(Spec(3)).ok());
}

TEST_F(SessionManagerTest, AStopThatComesBeforeItsPutWins) {
  ASSERT_TRUE(Stop(1).ok());
  EXPECT_EQ(Put(Spec(1)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(SessionManagerTest, AnOlderStopLeavesANewerGenerationAlone) {
  ASSERT_TRUE(Put(Spec(2)).ok());
  ASSERT_TRUE(Stop(1).ok());
  EXPECT_EQ(manager().Statuses()[0].phase, SessionPhase::kRunning);
}

TEST_F(SessionManagerTest, ANewerGenerationReplacesAnOlderOne) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  const auto status = Put(Spec(2));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->generation, 2);
  EXPECT_EQ(machine().Things().size(), 5u);
  EXPECT_EQ(manager().Statuses().size(), 1u);
}

TEST_F(SessionManagerTest, StopWhileStartingLeavesNothing) {
  for (const char* step :
       {"layer.Get", "volume.Create", "pool.Acquire", "gateway.Put", "runtime.Start"}) {
    SCOPED_TRACE(step);
    ++generation_;
    absl::Notification entered, release;
    machine().SetHook([&](const std::string& call) {
      if (call != step) return;
      entered.Notify();
      release.WaitForNotification();
    });
    Waiter put(&manager(), Spec(generation_));
    entered.WaitForNotification();
    StopWaiter stop(&manager(), kId, generation_);
    release.Notify();
    EXPECT_TRUE(stop.Wait().ok());
    EXPECT_EQ(put.Wait().status().code(), absl::StatusCode::kFailedPrecondition);
    machine().SetHook(nullptr);
    EXPECT_THAT(machine().Things(), IsEmpty());
    EXPECT_FALSE(RecordExists());
  }
}

TEST_F(SessionManagerTest, AStartWaitsForAGatewayProcessThatIsStartedAgain) {
  machine().FailCalls("gateway.Put", absl::UnavailableError("gone"));
  int tries = 0;
  machine().SetHook([&](const std::string& call) {
    if (call == "gateway.Put" && ++tries == 3) machine().ClearFailures();
  });
  const auto status = Put(Spec(1));
  machine().SetHook(nullptr);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->phase, SessionPhase::kRunning);
  EXPECT_GE(tries, 3);
}

TEST_F(SessionManagerTest, EveryStepThatFailsLeavesNothing) {
  const struct {
    const char* call;
    absl::Status status;
    absl::string_view reason;
  } cases[] = {
      {"layer.Get", absl::NotFoundError("this node has no image"), kReasonImageMissing},
      {"volume.Create", absl::ResourceExhaustedError("full"), kReasonDiskFull},
      {"volume.Create", absl::InternalError("no"), kReasonStartFailed},
      {"pool.Acquire", absl::ResourceExhaustedError("no slot"), kReasonNodeFull},
      {"gateway.Put", absl::UnavailableError("gone"), kReasonStartFailed},
      {"gateway.Put", absl::FailedPreconditionError("the deadline has passed"), kReasonFenced},
      {"runtime.Start", absl::InternalError("crun: no"), kReasonStartFailed},
  };
  for (bool after : {false, true}) {
    for (const auto& test : cases) {
      // By their contracts these two leave nothing when they fail.
      const absl::string_view call = test.call;
      if (after && (call == "pool.Acquire" || call == "runtime.Start")) continue;
      SCOPED_TRACE(absl::StrCat(test.call, after ? " after" : " before"));
      machine().FailCalls(test.call, test.status, after);
      const auto status = Put(Spec(++generation_));
      ASSERT_TRUE(status.ok()) << status.status();
      EXPECT_EQ(status->phase, SessionPhase::kTerminated);
      EXPECT_EQ(status->reason, test.reason);
      EXPECT_THAT(status->message, HasSubstr(std::string(test.status.message())));
      machine().ClearFailures();
      ASSERT_TRUE(manager().WaitIdle(kDeadline));
      EXPECT_THAT(machine().Things(), IsEmpty());
      // It is told until somebody has heard it.
      EXPECT_EQ(manager().Statuses().size(), 1u);
      manager().Acknowledge(manager().ReportUnacknowledged());
      ASSERT_TRUE(manager().WaitIdle(kDeadline));
      EXPECT_THAT(manager().Statuses(), IsEmpty());
      EXPECT_FALSE(RecordExists());
    }
  }
}

TEST_F(SessionManagerTest, RemovalGoesOnUntilItSucceeds) {
  for (const char* call : {"runtime.Destroy", "gateway.Remove", "volume.Destroy", "pool.Release"}) {
    SCOPED_TRACE(call);
    ASSERT_EQ(Put(Spec(++generation_))->phase, SessionPhase::kRunning);
    std::atomic<int> tries{0};
    machine().SetHook([&](const std::string& name) {
      if (name == call && ++tries == 3) machine().ClearFailures();
    });
    machine().FailCalls(call, absl::UnavailableError("not now"));
    EXPECT_TRUE(Stop(generation_).ok());
    EXPECT_GE(tries, 3);
    machine().SetHook(nullptr);
    EXPECT_THAT(machine().Things(), IsEmpty());
  }
}

TEST_F(SessionManagerTest, APolicyThatCantBeReadIsRefusedBeforeAnythingIsMade) {
  SessionSpec spec = Spec(1);
  spec.network.policy.kind = NetworkPolicy::Kind::kNone;
  std::atomic<int> made{0};
  machine().SetHook([&](const std::string& call) {
    for (const char* maker : {"volume.Create", "pool.Acquire", "gateway.Put", "runtime.Start"}) {
      if (call == maker) ++made;
    }
  });
  const auto status = Put(spec);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->phase, SessionPhase::kTerminated);
  EXPECT_EQ(status->reason, kReasonStartFailed);
  EXPECT_EQ(made, 0);
}

TEST_F(SessionManagerTest, TheGatewayHasTheWholePolicyBeforeTheContainerStarts) {
  SessionSpec spec = Spec(1);
  spec.network.policy = {NetworkPolicy::Kind::kLimited, {"a.example"}, {{"m.example", 8443}}};
  spec.network.allow_package_managers = true;
  std::optional<NetworkPolicy> seen;
  machine().SetHook([&](const std::string& call) {
    if (call != "runtime.Start") return;
    const auto sessions = resources().gateway->ListSessions();
    if (sessions.ok() && sessions->size() == 1) seen = (*sessions)[0].policy;
  });
  ASSERT_EQ(Put(spec)->phase, SessionPhase::kRunning);
  machine().SetHook(nullptr);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->kind, NetworkPolicy::Kind::kLimited);
  EXPECT_THAT(seen->hosts, ElementsAre("a.example", "index.example"));
  ASSERT_EQ(seen->host_ports.size(), 1u);
  EXPECT_EQ(seen->host_ports[0].port, 8443);
}

TEST_F(SessionManagerTest, AnUnprovenRuntimeClassIsRefusedWithTheReason) {
  RefuseRuntime("runsc", "runsc ended with code 128: no platform");
  SessionSpec spec = Spec(1);
  spec.runtime_class = "runsc";
  const auto status = Put(spec);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->phase, SessionPhase::kTerminated);
  EXPECT_THAT(status->message, HasSubstr("runsc ended with code 128: no platform"));
  EXPECT_EQ(machine().StartsOf(kId), 0);
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(SessionManagerTest, RefusesIdsThatAreNone) {
  for (const char* id : {"", "../../etc", "sesn_", "sesn_../../../../../../etc/passwd"}) {
    SessionSpec spec = Spec(1);
    spec.session_id = id;
    EXPECT_EQ(Put(spec).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(manager().Stop(id, 1, nullptr).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(SessionManagerTest, AnEndedContainerIsToldAtOnceAndRemoved) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  std::atomic<int> news{0};
  manager().SetChangeListener([&] { ++news; });
  machine().EndContainer(kId, ContainerExit{-1, 9, true});
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  EXPECT_EQ(news, 1);
  const StatusReport report = manager().ReportUnacknowledged();
  ASSERT_EQ(report.statuses.size(), 1u);
  EXPECT_EQ(report.statuses[0].phase, SessionPhase::kTerminated);
  EXPECT_EQ(report.statuses[0].reason, kReasonOomKilled);
  EXPECT_EQ(report.statuses[0].signal, 9);
  EXPECT_THAT(machine().Things(), IsEmpty());
  // Not lost with the agent that saw it.
  NewAgent();
  ASSERT_EQ(manager().Statuses().size(), 1u);
  EXPECT_EQ(manager().Statuses()[0].reason, kReasonOomKilled);
  manager().Acknowledge(manager().ReportAll());
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  EXPECT_THAT(manager().Statuses(), IsEmpty());
  // And it isn't started again by a late message.
  EXPECT_EQ(Put(Spec(1)).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionManagerTest, AnOldAcknowledgementDoesNotCoverALaterChange) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  const StatusReport before = manager().ReportAll();
  machine().EndContainer(kId, ContainerExit{3, 0, false});
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  manager().Acknowledge(before);
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  ASSERT_EQ(manager().Statuses().size(), 1u);
  EXPECT_EQ(manager().Statuses()[0].exit_code, 3);
}

TEST_F(SessionManagerTest, AFencedSessionSaysSo) {
  SessionSpec spec = Spec(1);
  spec.on_node_loss = OnNodeLoss::kReschedule;
  ASSERT_TRUE(Put(spec).ok());
  machine().Fence(kId);
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  EXPECT_EQ(manager().Statuses()[0].reason, kReasonFenced);
}

TEST_F(SessionManagerTest, StopOfAnUnknownSessionRemovesItsVolume) {
  ASSERT_TRUE(resources().volumes->Create(kId, 1).ok());
  const auto last = Stop(4);
  ASSERT_TRUE(last.ok());
  EXPECT_FALSE(last->has_value());
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(SessionManagerTest, AFailedStartFromAKeptVolumeKeepsItUntilAStop) {
  ASSERT_TRUE(resources().volumes->Create(kId, 1).ok());
  SessionSpec spec = Spec(2);
  spec.keep_volume = true;
  machine().FailCalls("runtime.Start", absl::InternalError("no"));
  ASSERT_EQ(Put(spec)->phase, SessionPhase::kTerminated);
  machine().ClearFailures();
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  manager().Acknowledge(manager().ReportAll());
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  EXPECT_THAT(machine().Things(), Contains(absl::StrCat("volume:", kId)));
  EXPECT_EQ(manager().Statuses().size(), 1u);
  ASSERT_TRUE(Stop(2).ok());
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(SessionManagerTest, IncidentsAreToldOnceAndTheSessionGoesOn) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  manager().Acknowledge(manager().ReportAll());
  manager().NoteIncident(kId, 1, kReasonOomKilled, "one");
  EXPECT_EQ(manager().ReportUnacknowledged().statuses.size(), 1u);
  manager().Acknowledge(manager().ReportUnacknowledged());
  manager().NoteIncident(kId, 1, kReasonOomKilled, "one");
  EXPECT_THAT(manager().ReportUnacknowledged().statuses, IsEmpty());
  EXPECT_TRUE(manager().GetRunning(kId, 1).ok());
}

TEST_F(SessionManagerTest, PutsAndStopsAtOnceNeverLeak) {
  constexpr int kRounds = 60;
  for (int round = 0; round < kRounds; ++round) {
    const int64_t generation = ++generation_;
    std::atomic<int> answers{0};
    std::thread put([&] {
      const auto done = [&](const absl::StatusOr<SessionStatus>&) { ++answers; };
      if (!manager().Put(Spec(generation), done).ok()) ++answers;
    });
    std::thread stop([&] {
      EXPECT_TRUE(manager().Stop(kId, generation, [&](const auto&) { ++answers; }).ok());
    });
    put.join();
    stop.join();
    ASSERT_TRUE(manager().WaitIdle(kDeadline));
    EXPECT_EQ(answers, 2);
    EXPECT_THAT(machine().Things(), IsEmpty());
    EXPECT_THAT(manager().Statuses(), IsEmpty());
  }
}

}  // namespace
}  // namespace paddock::nodeagent
