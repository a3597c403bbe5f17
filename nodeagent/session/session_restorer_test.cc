#include "nodeagent/session/session_restorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fakes/nodeagent/session_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class SessionRestorerTest : public SessionFixture {
 protected:
  // What an agent that is killed at one moment leaves: the machine and the state directory.
  struct Moment {
    std::string name;
    FakeMachine::Snapshot machine;
    std::string directory;
  };

  // Runs `act` and takes what is there before and after every call to the machine.
  std::vector<Moment> MomentsOf(const std::function<void()>& act) {
    std::vector<Moment> moments;
    absl::Mutex mutex;
    machine().SetHook([&](const std::string& call) {
      absl::MutexLock lock(&mutex);
      Moment moment{absl::StrCat(moments.size(), ":", call), machine().Take(),
                    absl::StrCat(directory_, "/moment-", moments.size())};
      std::filesystem::copy(paths().state(), moment.directory,
                            std::filesystem::copy_options::recursive);
      moments.push_back(std::move(moment));
    });
    act();
    EXPECT_TRUE(manager().WaitIdle(kDeadline));
    machine().SetHook(nullptr);
    return moments;
  }

  // The agent was killed then; a new one starts.
  void GoTo(const Moment& moment) {
    End();
    machine().GoBack(moment.machine);
    ASSERT_TRUE(RemoveTree(paths().state()).ok());
    std::filesystem::copy(moment.directory, paths().state(),
                          std::filesystem::copy_options::recursive);
    Begin();
    ASSERT_TRUE(manager().WaitIdle(kDeadline));
  }
};

TEST_F(SessionRestorerTest, APolicyIsTheOneItWasCreatedWith) {
  SessionSpec spec = Spec(1);
  spec.network.policy = {NetworkPolicy::Kind::kLimited, {"a.example"}, {}};
  spec.network.allow_package_managers = true;
  ASSERT_EQ(Put(spec)->phase, SessionPhase::kRunning);
  const FakeMachine::Snapshot before = machine().Take();
  End();
  // The gateway process lost it, and the operator has changed the registries since.
  FakeMachine::Snapshot without = before;
  without.gateway.clear();
  machine().GoBack(without);
  set_registry_hosts({"other.example"});
  Begin();
  const auto sessions = resources().gateway->ListSessions();
  ASSERT_TRUE(sessions.ok());
  ASSERT_EQ(sessions->size(), 1u);
  EXPECT_EQ((*sessions)[0].policy.kind, NetworkPolicy::Kind::kLimited);
  EXPECT_THAT((*sessions)[0].policy.hosts, ElementsAre("a.example", "index.example"));
  // A new one has the new ones.
  ASSERT_TRUE(Stop(1).ok());
  spec.generation = 2;
  ASSERT_EQ(Put(spec)->phase, SessionPhase::kRunning);
  EXPECT_THAT((*resources().gateway->ListSessions())[0].policy.hosts,
              ElementsAre("a.example", "other.example"));
}

TEST_F(SessionRestorerTest, ARunningSessionWhosePolicyCantBeReadLosesItsNetwork) {
  ASSERT_EQ(Put(Spec(1))->phase, SessionPhase::kRunning);
  End();
  std::string record = *ReadFile(paths().SessionFile(kId));
  const size_t at = record.find("\"unrestricted\"");
  ASSERT_NE(at, std::string::npos);
  record.replace(at, 14, "\"opened\"");
  ASSERT_TRUE(WriteFile(paths().SessionFile(kId), record).ok());
  Begin();
  EXPECT_EQ(restored().adopted, 1);
  EXPECT_EQ((*resources().gateway->ListSessions())[0].policy.kind, NetworkPolicy::Kind::kNone);
}

TEST_F(SessionRestorerTest, AdoptsWhatRuns) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  NewAgent();
  EXPECT_EQ(restored().adopted, 1);
  EXPECT_TRUE(manager().GetRunning(kId, 1).ok());
  EXPECT_EQ(machine().StartsOf(kId), 1);
  EXPECT_EQ(machine().Things().size(), 5u);
  // Its end is noticed by the new agent.
  machine().EndContainer(kId, ContainerExit{5, 0, false});
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  EXPECT_EQ(manager().Statuses()[0].exit_code, 5);
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(SessionRestorerTest, AnAdoptedSlotIsNotGivenToAnother) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  NewAgent();
  SessionSpec other = Spec(1);
  other.session_id = "sesn_01m84788jmcq47gswnbtbn29yd";
  ASSERT_EQ(Put(other)->phase, SessionPhase::kRunning);
  EXPECT_THAT(machine().Things(), Contains("slot:0"));
  EXPECT_THAT(machine().Things(), Contains("slot:1"));
}

TEST_F(SessionRestorerTest, TellsOfWhatEndedMeanwhile) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  End();
  machine().EndContainer(kId, ContainerExit{0, 9, false});
  Begin();
  ASSERT_EQ(manager().Statuses().size(), 1u);
  EXPECT_EQ(manager().Statuses()[0].phase, SessionPhase::kTerminated);
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(SessionRestorerTest, KillsCommandsOfTheOldAgentButNotBackgroundProcesses) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  machine().AddExecCgroup(kId, "running", true);
  machine().AddExecCgroup(kId, "background", true);
  absl::Notification noted;
  manager().SetBackgroundExec(kId, 1, "background", true, [&] { noted.Notify(); });
  ASSERT_TRUE(noted.WaitForNotificationWithTimeout(kDeadline));
  NewAgent();
  EXPECT_THAT(machine().Things(), Contains(absl::StrCat("exec:", kId, "/background")));
  EXPECT_THAT(machine().Things(), Not(Contains(absl::StrCat("exec:", kId, "/running"))));
}

TEST_F(SessionRestorerTest, SweepsWhatNobodyOwns) {
  const std::string stranger = "sesn_01m84788jmcq47gswnbtbn29yz";
  ASSERT_TRUE(
      resources().gateway->PutSession(GatewaySession{stranger, 1, "", "", {}, false, {}}).ok());
  ASSERT_TRUE(resources().cgroups->Create(stranger, {}).ok());
  ASSERT_TRUE(MakeDirectories(paths().SessionDir(stranger)).ok());
  NewAgent();
  EXPECT_EQ(restored().orphans, 3);
  EXPECT_THAT(machine().Things(), IsEmpty());
  EXPECT_FALSE(PathExists(paths().SessionDir(stranger)));
}

TEST_F(SessionRestorerTest, AVolumeIsNeverRemovedForBeingUnknown) {
  ASSERT_TRUE(resources().volumes->Create(kId, 1).ok());
  NewAgent();
  EXPECT_EQ(restored().loose_volumes, 1);
  EXPECT_THAT(machine().Things(), Contains(absl::StrCat("volume:", kId)));
  ASSERT_TRUE(Stop(1).ok());
  EXPECT_THAT(machine().Things(), IsEmpty());
}

TEST_F(SessionRestorerTest, AfterARebootKeepSessionsKeepTheirVolume) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  End();
  machine().Reboot();
  set_boot_id("boot-2");
  Begin();
  ASSERT_EQ(manager().Statuses().size(), 1u);
  EXPECT_EQ(manager().Statuses()[0].reason, kReasonNodeRebooted);
  EXPECT_THAT(machine().Things(), ::testing::ElementsAre(absl::StrCat("volume:", kId)));
  // Told, but not forgotten: the volume waits.
  manager().Acknowledge(manager().ReportAll());
  ASSERT_TRUE(manager().WaitIdle(kDeadline));
  SessionSpec next = Spec(2);
  next.keep_volume = true;
  const size_t before = machine().Calls().size();
  ASSERT_EQ(Put(next)->phase, SessionPhase::kRunning);
  const auto calls = machine().Calls();
  EXPECT_EQ(std::count(calls.begin() + before, calls.end(), "volume.Destroy"), 0);
  EXPECT_EQ(machine().Things().size(), 5u);
}

TEST_F(SessionRestorerTest, AfterARebootRescheduleSessionsLeaveNothing) {
  SessionSpec spec = Spec(1);
  spec.on_node_loss = OnNodeLoss::kReschedule;
  ASSERT_TRUE(Put(spec).ok());
  End();
  machine().Reboot();
  set_boot_id("boot-2");
  Begin();
  EXPECT_THAT(machine().Things(), IsEmpty());
  ASSERT_EQ(manager().Statuses().size(), 1u);
}

TEST_F(SessionRestorerTest, ALostRecordIsReplacedByWhatTheTombstonesKnow) {
  ASSERT_TRUE(Put(Spec(3)).ok());
  End();
  machine().Reboot();
  set_boot_id("boot-2");
  // A power cut may leave an empty file.
  std::filesystem::resize_file(paths().SessionFile(kId), 0);
  Begin();
  ASSERT_EQ(manager().Statuses().size(), 1u);
  EXPECT_EQ(manager().Statuses()[0].generation, 3);
  EXPECT_EQ(manager().Statuses()[0].reason, kReasonNodeRebooted);
  EXPECT_THAT(machine().Things(), Contains(absl::StrCat("volume:", kId)));
}

TEST_F(SessionRestorerTest, AStartThatIsInterruptedAnywhereIsMadeAgainOnce) {
  const auto moments = MomentsOf([this] { ASSERT_TRUE(Put(Spec(1)).ok()); });
  ASSERT_GE(moments.size(), 10u);
  for (const Moment& moment : moments) {
    SCOPED_TRACE(moment.name);
    GoTo(moment);
    // The control plane sends what it wants again.
    const auto status = Put(Spec(1));
    ASSERT_TRUE(status.ok()) << status.status();
    EXPECT_EQ(status->phase, SessionPhase::kRunning);
    EXPECT_EQ(machine().Things().size(), 5u);
    EXPECT_EQ(manager().Statuses().size(), 1u);
    ASSERT_TRUE(Stop(1).ok());
    EXPECT_THAT(machine().Things(), IsEmpty());
    EXPECT_FALSE(RecordExists());
  }
}

TEST_F(SessionRestorerTest, AStopThatIsInterruptedAnywhereIsCompleted) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  const auto moments = MomentsOf([this] { ASSERT_TRUE(Stop(1).ok()); });
  ASSERT_GE(moments.size(), 6u);
  for (const Moment& moment : moments) {
    SCOPED_TRACE(moment.name);
    GoTo(moment);
    EXPECT_THAT(machine().Things(), IsEmpty());
    EXPECT_FALSE(RecordExists());
    EXPECT_THAT(manager().Statuses(), IsEmpty());
    EXPECT_EQ(Put(Spec(1)).status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(SessionRestorerTest, AnEndThatIsInterruptedAnywhereIsTold) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  const auto moments = MomentsOf([this] {
    machine().EndContainer(kId, ContainerExit{7, 0, false});
  });
  ASSERT_GE(moments.size(), 6u);
  for (const Moment& moment : moments) {
    SCOPED_TRACE(moment.name);
    GoTo(moment);
    EXPECT_THAT(machine().Things(), IsEmpty());
    ASSERT_EQ(manager().Statuses().size(), 1u);
    EXPECT_EQ(manager().Statuses()[0].exit_code, 7);
  }
}

TEST_F(SessionRestorerTest, AReplacementThatIsInterruptedAnywhereEndsInTheNewGeneration) {
  ASSERT_TRUE(Put(Spec(1)).ok());
  const auto moments = MomentsOf([this] { ASSERT_TRUE(Put(Spec(2)).ok()); });
  for (const Moment& moment : moments) {
    SCOPED_TRACE(moment.name);
    GoTo(moment);
    const auto status = Put(Spec(2));
    ASSERT_TRUE(status.ok()) << status.status();
    EXPECT_EQ(status->phase, SessionPhase::kRunning);
    EXPECT_EQ(machine().Things().size(), 5u);
    EXPECT_EQ(Put(Spec(1)).status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(SessionRestorerTest, AStartThatAlwaysKillsTheAgentIsGivenUp) {
  Moment during;
  machine().SetHook([&](const std::string& call) {
    if (call != "runtime.Start" || !during.directory.empty()) return;
    during = {"", machine().Take(), directory_ + "/during"};
    std::filesystem::copy(paths().state(), during.directory,
                          std::filesystem::copy_options::recursive);
  });
  ASSERT_TRUE(Put(Spec(1)).ok());
  for (int tries = 0; tries < 10 && manager().Statuses()[0].phase == SessionPhase::kRunning;
       ++tries) {
    const Moment now = during;
    during.directory.clear();
    std::filesystem::rename(now.directory, now.directory + "-now");
    GoTo({"", now.machine, now.directory + "-now"});
    std::filesystem::remove_all(now.directory + "-now");
  }
  EXPECT_EQ(manager().Statuses()[0].reason, kReasonStartFailed);
  EXPECT_THAT(machine().Things(), IsEmpty());
}

}  // namespace
}  // namespace paddock::nodeagent
