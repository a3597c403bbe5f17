#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/boot_clock.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/spawn.h"
#include "tests/privileged/gateway_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A cgroup with a program in it that has children in a cgroup below, as a sandbox has.
class Victim {
 public:
  explicit Victim(const std::string& name) {
    directory_ = absl::StrCat(Hierarchy(), "/paddock-fence-test-", name);
    std::string below = absl::StrCat(directory_, "/exec-1");
    EXPECT_TRUE(MakeDirectories(below).ok());
    SpawnSpec spec;
    spec.argv = {"sh", "-c",
                 absl::StrCat("sleep 1000 & echo $! > ", below, "/cgroup.procs; exec sleep 1000")};
    UniqueFd procs(open(absl::StrCat(directory_, "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    spec.cgroup_join_fds = {procs.get()};
    auto process = Spawn(spec);
    EXPECT_TRUE(process.ok()) << process.status();
    process_ = *std::move(process);
    EXPECT_TRUE(WaitUntil([&] { return Members(directory_) > 0 && Members(below) > 0; }));
  }
  ~Victim() {
    kill(-process_.pid, SIGKILL);
    EXPECT_TRUE(WaitForExit(process_.pidfd.get(), absl::Seconds(5)).ok());
    std::string below = absl::StrCat(directory_, "/exec-1");
    EXPECT_TRUE(WaitUntil([&] { return rmdir(below.c_str()) == 0; }));
    EXPECT_TRUE(WaitUntil([&] { return rmdir(directory_.c_str()) == 0; }));
  }
  const std::string& directory() const { return directory_; }
  bool Alive() { return Members(directory_) > 0 && Members(directory_ + "/exec-1") > 0; }
  bool Dead() { return Members(directory_) == 0 && Members(directory_ + "/exec-1") == 0; }

 private:
  // One of the machine's hierarchies; pids is there on v1 and hybrid hosts.
  static std::string Hierarchy() {
    return PathExists("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
  }
  // Zombies count as gone.
  static int Members(const std::string& cgroup) {
    std::ifstream procs(absl::StrCat(cgroup, "/cgroup.procs"));
    int members = 0;
    for (pid_t pid = 0; procs >> pid;) {
      auto pidfd = PidfdOpen(pid);
      if (pidfd.ok() && !PidfdExited(pidfd->get())) ++members;
    }
    return members;
  }
  std::string directory_;
  SpawnedProcess process_;
};

class GatewayFenceTest : public GatewayFixture {
 protected:
  // The deadline is this long from now.
  void Renew(absl::Duration ahead) {
    absl::Status renewed = client().RenewFence(BootTime(), ahead);
    ASSERT_TRUE(renewed.ok()) << renewed;
  }
};

TEST_F(GatewayFenceTest, KillsFencedSessionsAtTheDeadlineAndNotBefore) {
  Victim fenced("a");
  Victim kept("b");
  absl::Duration deadline = BootTime() + absl::Milliseconds(800);
  ASSERT_TRUE(client().RenewFence(BootTime(), deadline - BootTime()).ok());
  Connect("sesn_fenced", true, {fenced.directory()});
  Connect("sesn_kept", false, {kept.directory()});
  while (BootTime() < deadline - absl::Milliseconds(20)) ASSERT_TRUE(fenced.Alive());
  EXPECT_TRUE(WaitUntil([&] { return fenced.Dead(); }, absl::Seconds(1)));
  EXPECT_TRUE(kept.Alive());
  EXPECT_THAT(*client().ListFenced(), ElementsAre("sesn_fenced"));
  EXPECT_EQ(client().Stats()->fenced_kills, 1);
  ASSERT_TRUE(client().RemoveSession("sesn_fenced").ok());
  EXPECT_THAT(*client().ListFenced(), IsEmpty());
}

TEST_F(GatewayFenceTest, ARenewedDeadlineHoldsAndNeverMovesBack) {
  Victim victim("a");
  Renew(absl::Milliseconds(300));
  Connect("sesn_a", true, {victim.directory()});
  Renew(absl::Seconds(3));
  Renew(absl::Milliseconds(100));  // A late answer to an early heartbeat.
  absl::Duration until = BootTime() + absl::Milliseconds(600);
  while (BootTime() < until) ASSERT_TRUE(victim.Alive());
}

TEST_F(GatewayFenceTest, KillsWithTheAgentGone) {
  Victim victim("a");
  Renew(absl::Milliseconds(500));
  Connect("sesn_a", true, {victim.directory()});
  gateway_.reset();
  EXPECT_TRUE(WaitUntil([&] { return victim.Dead(); }));
  StartGateway();
  EXPECT_THAT(*client().ListFenced(), ElementsAre("sesn_a"));
}

TEST_F(GatewayFenceTest, ADeadlineThatPassedWhileItWasGoneIsMadeGood) {
  Victim victim("a");
  absl::Duration deadline = BootTime() + absl::Milliseconds(400);
  ASSERT_TRUE(client().RenewFence(deadline, absl::ZeroDuration()).ok());
  Connect("sesn_a", true, {victim.directory()});
  pid_t pid = GatewayPid();
  gateway_.reset();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] { return BootTime() > deadline; }));
  EXPECT_TRUE(victim.Alive());
  StartGateway();
  EXPECT_TRUE(WaitUntil([&] { return victim.Dead(); }));
  EXPECT_THAT(*client().ListFenced(), ElementsAre("sesn_a"));
}

TEST_F(GatewayFenceTest, WithoutADeadlineAheadNothingFencedStarts) {
  NamespacePair pair = *pool_->Acquire();
  GatewaySession session = SessionOf("sesn_a", pair);
  session.fenced = true;
  EXPECT_EQ(client().PutSession(session).code(), absl::StatusCode::kFailedPrecondition);
  Renew(absl::ZeroDuration());
  EXPECT_EQ(client().PutSession(session).code(), absl::StatusCode::kFailedPrecondition);
  Renew(absl::Seconds(5));
  EXPECT_TRUE(client().PutSession(session).ok());
}

}  // namespace
}  // namespace paddock::nodeagent
