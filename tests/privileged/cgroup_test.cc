#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/clock.h"
#include "nodeagent/runtime/fs_cgroup_manager.h"
#include "nodeagent/runtime/runtime_factory.h"
#include "nodeagent/system/cgroup_fs.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/spawn.h"

namespace paddock::nodeagent {
namespace {

constexpr char kSubtree[] = "paddock-test/cgroup";

SandboxLimits Limits() {
  SandboxLimits limits;
  limits.cpu_millis = 1000;
  limits.memory_bytes = 64 << 20;
  limits.pids = 100;
  return limits;
}

absl::Duration CpuOfReapedChildren() {
  rusage usage{};
  EXPECT_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

enum class Tree { kMachine, kVersion2 };

// What this machine has mounted, and the v2 tree alone where there is one (on hybrid hosts without
// the controllers that limits need, but with everything that starting and killing needs).
class CgroupTest : public ::testing::TestWithParam<Tree> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    if (GetParam() == Tree::kMachine) {
      absl::StatusOr<std::unique_ptr<CgroupManager>> made = MakeCgroupManager(kSubtree);
      ASSERT_TRUE(made.ok()) << made.status();
      manager_ = *std::move(made);
      SandboxLimits capacity = Limits();
      capacity.memory_bytes = int64_t{1} << 30;
      capacity.pids = 1000;
      const absl::Status prepared = manager_->Prepare(capacity);
      ASSERT_TRUE(prepared.ok()) << prepared;
      return;
    }
    CgroupLayout layout;
    layout.used.emplace_back();
    layout.used[0].v2 = true;
    for (const char* path : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      if (!PathExists(absl::StrCat(path, "/cgroup.controllers"))) continue;
      layout.used[0].mount_point = path;
      ASSERT_TRUE(MakeDirectories(absl::StrCat(path, "/", kSubtree)).ok());
      manager_ = std::make_unique<FsCgroupManager>(layout, kSubtree);
      return;
    }
    GTEST_SKIP() << "no cgroup v2 tree";
  }

  void TearDown() override {
    if (manager_ == nullptr) return;
    const std::vector<std::string> left = manager_->List().value_or(std::vector<std::string>());
    for (const std::string& name : left) {
      EXPECT_TRUE(manager_->Kill(name, absl::Seconds(20)).ok());
      EXPECT_TRUE(manager_->Remove(name).ok());
    }
    const absl::Status removed = manager_->RemoveSubtree();
    EXPECT_TRUE(removed.ok()) << removed;
  }

  // A shell that starts inside `name`.
  SpawnedProcess StartIn(const std::string& name, const std::string& script) {
    absl::StatusOr<CgroupEntry> entry = manager_->OpenForSpawn(name);
    EXPECT_TRUE(entry.ok()) << entry.status();
    SpawnSpec spec;
    spec.argv = {"/bin/busybox", "sh", "-c", script};
    spec.cgroup_dir_fd = entry->v2_dir.get();
    for (const UniqueFd& file : entry->join_files) spec.cgroup_join_fds.push_back(file.get());
    absl::StatusOr<SpawnedProcess> child = Spawn(spec);
    EXPECT_TRUE(child.ok()) << child.status();
    return child.ok() ? *std::move(child) : SpawnedProcess{};
  }

  std::unique_ptr<CgroupManager> manager_;
};

// Lines of /proc/self/cgroup.
std::vector<std::string> OwnCgroups() {
  const absl::StatusOr<std::string> text = ReadFile("/proc/self/cgroup");
  return absl::StrSplit(text.value_or(""), '\n', absl::SkipEmpty());
}

TEST_P(CgroupTest, LeavingKeepsAProcessWhereItIsBounded) {
  if (GetParam() != Tree::kMachine) GTEST_SKIP() << "about all hierarchies of the machine";
  const std::vector<std::string> before = OwnCgroups();
  const bool v2_alone = before.size() == 1;
  const pid_t child = fork();
  if (child == 0) {
    if (!manager_->LeaveOwnCgroups().ok()) _exit(1);
    const std::vector<std::string> after = OwnCgroups();
    if (after.size() != before.size()) _exit(2);
    int left = 0;
    for (size_t i = 0; i < after.size(); ++i) {
      const std::vector<std::string> was = absl::StrSplit(before[i], absl::MaxSplits(':', 2));
      const std::vector<std::string> is = absl::StrSplit(after[i], absl::MaxSplits(':', 2));
      const bool bounding = was[1] == "memory" || was[1] == "pids" || v2_alone;
      if (bounding && is[2] != was[2]) _exit(3);
      if (was[1] == "devices" && is[2] != absl::StrCat("/", kSubtree)) _exit(4);
      left += is[2] == absl::StrCat("/", kSubtree) ? 1 : 0;
    }
    _exit(v2_alone || left > 0 ? 0 : 5);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_P(CgroupTest, StartsAProcessInsideAndKillsIt) {
  ASSERT_TRUE(manager_->Create("a", Limits()).ok());
  EXPECT_TRUE(manager_->IsEmpty("a"));
  const SpawnedProcess child = StartIn("a", "sleep 1000");
  EXPECT_FALSE(manager_->IsEmpty("a"));
  const absl::Status killed = manager_->Kill("a", absl::Seconds(10));
  EXPECT_TRUE(killed.ok()) << killed;
  EXPECT_TRUE(manager_->IsEmpty("a"));
  const absl::StatusOr<ExitStatus> exit = WaitForExit(child.pidfd.get(), absl::Seconds(10));
  ASSERT_TRUE(exit.ok());
  EXPECT_EQ(exit->signal, SIGKILL);
  EXPECT_TRUE(manager_->Remove("a").ok());
  EXPECT_TRUE(manager_->List()->empty());
}

TEST_P(CgroupTest, KillsTheTreeOfAnExecAlone) {
  ASSERT_TRUE(manager_->Create("a", Limits()).ok());
  const SpawnedProcess other = StartIn("a", "sleep 1000");
  absl::StatusOr<int> fd = manager_->CreateExec("a", "7");
  ASSERT_TRUE(fd.ok()) << fd.status();
  const UniqueFd join(*fd);
  EXPECT_EQ(*manager_->ListExecs("a"), std::vector<std::string>{"7"});
  SpawnSpec spec;
  spec.argv = {"/bin/busybox", "sh", "-c", "sleep 1000 & setsid sleep 1000 & wait"};
  spec.cgroup_join_fds = {join.get()};
  absl::StatusOr<SpawnedProcess> exec = Spawn(spec);
  ASSERT_TRUE(exec.ok()) << exec.status();
  const absl::Status killed = manager_->Kill("a/exec-7", absl::Seconds(10));
  EXPECT_TRUE(killed.ok()) << killed;
  EXPECT_TRUE(WaitForExit(exec->pidfd.get(), absl::Seconds(10)).ok());
  EXPECT_TRUE(manager_->Remove("a/exec-7").ok());
  EXPECT_TRUE(manager_->ListExecs("a")->empty());
  EXPECT_FALSE(PidfdExited(other.pidfd.get()));
  EXPECT_TRUE(manager_->Kill("a", absl::Seconds(10)).ok());
  EXPECT_TRUE(WaitForExit(other.pidfd.get(), absl::Seconds(10)).ok());
}

// Not inside a pid namespace, where the end of PID 1 would help.
TEST_P(CgroupTest, OutrunsAForkBomb) {
  if (GetParam() == Tree::kVersion2) GTEST_SKIP() << "this tree may have no pids limit";
  ASSERT_TRUE(manager_->Create("a", Limits()).ok());
  const SpawnedProcess bomb = StartIn("a", "f() { f & f & }; while :; do f; done 2>/dev/null");
  while (manager_->Usage("a")->pids_refused == 0) sched_yield();
  const absl::Status killed = manager_->Kill("a", absl::Seconds(20));
  EXPECT_TRUE(killed.ok()) << killed;
  EXPECT_TRUE(manager_->IsEmpty("a"));
  EXPECT_TRUE(WaitForExit(bomb.pidfd.get(), absl::Seconds(10)).ok());
  EXPECT_TRUE(manager_->Remove("a").ok());
}

TEST_P(CgroupTest, CountsWhatTheMemoryLimitKills) {
  if (GetParam() == Tree::kVersion2) GTEST_SKIP() << "this tree may have no memory limit";
  ASSERT_TRUE(manager_->Create("a", Limits()).ok());
  EXPECT_EQ(manager_->Usage("a")->oom_kills, 0);
  // tail keeps the line that never ends.
  const SpawnedProcess hog = StartIn("a", "exec tail -n 1 /dev/zero");
  const absl::StatusOr<ExitStatus> exit = WaitForExit(hog.pidfd.get(), absl::Seconds(30));
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_EQ(exit->signal, SIGKILL);
  EXPECT_GE(manager_->Usage("a")->oom_kills, 1);
  EXPECT_TRUE(manager_->Remove("a").ok());
}

TEST_P(CgroupTest, HoldsABusyProcessToItsShareOfACpu) {
  if (GetParam() == Tree::kVersion2) GTEST_SKIP() << "this tree may have no cpu limit";
  SandboxLimits limits = Limits();
  limits.cpu_millis = 200;
  ASSERT_TRUE(manager_->Create("a", limits).ok());
  const absl::Duration before = CpuOfReapedChildren();
  const absl::Duration begun = Clock::Real()->Monotonic();
  const SpawnedProcess busy = StartIn("a", "while :; do :; done");
  EXPECT_FALSE(WaitForExit(busy.pidfd.get(), absl::Seconds(2)).ok());
  EXPECT_TRUE(manager_->Kill("a", absl::Seconds(10)).ok());
  const absl::Duration lasted = Clock::Real()->Monotonic() - begun;
  ASSERT_TRUE(WaitForExit(busy.pidfd.get(), absl::Seconds(10)).ok());
  const absl::Duration used = CpuOfReapedChildren() - before;
  EXPECT_LT(absl::FDivDuration(used, lasted), 0.35) << used << " in " << lasted;
  EXPECT_GT(used, absl::ZeroDuration());
}

TEST_P(CgroupTest, RemovingAndKillingWhatIsNotThereIsFine) {
  EXPECT_TRUE(manager_->Kill("nothing", absl::Seconds(1)).ok());
  EXPECT_TRUE(manager_->Remove("nothing").ok());
  EXPECT_TRUE(manager_->ListExecs("nothing")->empty());
  EXPECT_TRUE(manager_->IsEmpty("nothing"));
  EXPECT_TRUE(absl::IsNotFound(manager_->Usage("nothing").status()));
}

TEST_P(CgroupTest, MakesAFreshCgroupOfOneThatWasLeftOver) {
  ASSERT_TRUE(manager_->Create("a", Limits()).ok());
  EXPECT_TRUE(manager_->Create("a", Limits()).ok());
  const SpawnedProcess child = StartIn("a", "sleep 1000");
  EXPECT_TRUE(absl::IsAlreadyExists(manager_->Create("a", Limits())));
  EXPECT_FALSE(PidfdExited(child.pidfd.get()));
  EXPECT_TRUE(manager_->Kill("a", absl::Seconds(10)).ok());
  EXPECT_TRUE(WaitForExit(child.pidfd.get(), absl::Seconds(10)).ok());
}

TEST_P(CgroupTest, RefusesNamesThatLeaveTheSubtree) {
  for (const char* name : {"", "..", "a/../../b", "/a", "a//b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(manager_->Create(name, Limits()))) << name;
    EXPECT_TRUE(absl::IsInvalidArgument(manager_->Remove(name))) << name;
    EXPECT_TRUE(absl::IsInvalidArgument(manager_->Kill(name, absl::Seconds(1)))) << name;
  }
}

TEST_P(CgroupTest, KeepsASubtreeInUse) {
  ASSERT_TRUE(manager_->Create("a", Limits()).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->RemoveSubtree()));
  EXPECT_EQ(*manager_->List(), std::vector<std::string>{"a"});
}

INSTANTIATE_TEST_SUITE_P(Trees, CgroupTest, ::testing::Values(Tree::kMachine, Tree::kVersion2),
                         [](const auto& info) {
                           return info.param == Tree::kMachine ? "Machine" : "Version2";
                         });

}  // namespace
}  // namespace paddock::nodeagent
