#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <thread>

#include "absl/strings/numbers.h"
#include "common/clock.h"
#include "nlohmann/json.hpp"
#include "nodeagent/system/mount.h"
#include "nodeagent/system/pidfd.h"
#include "tests/privileged/runtime_fixture.h"

namespace paddock::nodeagent {
namespace {

constexpr int kRounds = 60;

absl::Duration Cpu() {
  absl::Duration total;
  for (__rusage_who who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage = {};
    getrusage(who, &usage);
    total += absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  }
  return total;
}

class Samples {
 public:
  void Add(absl::Duration d) { values_.push_back(absl::ToDoubleMilliseconds(d)); }
  double Percentile(double p) {
    std::sort(values_.begin(), values_.end());
    return values_[static_cast<size_t>(p * static_cast<double>(values_.size() - 1))];
  }

 private:
  std::vector<double> values_;
};

struct Figures {
  Samples start;
  Samples destroy;
  absl::Duration cpu;
  void Print(const char* name) {
    printf("%-28s start p50 %6.2f p90 %6.2f ms, end p50 %6.2f ms, cpu of a cycle %6.2f ms\n", name,
           start.Percentile(0.5), start.Percentile(0.9), destroy.Percentile(0.5),
           absl::ToDoubleMilliseconds(cpu) / kRounds);
  }
};

// Our start and end against a bare `crun run` and `crun delete` of what `crun spec` writes, on the
// same root file system, turn by turn, so that both meet the same noise.
class RuntimeSpeedTest : public RuntimeFixture {
 protected:
  static void SetUpTestSuite() { MakeAgent("crun"); }

  static std::string Bundle() { return scratch_->path() + "/bare"; }

  static void MakeBareBundle() {
    ASSERT_TRUE(MakeDirectories(Bundle()).ok());
    SpawnSpec spec;
    spec.argv = {"crun", "spec", "--bundle", Bundle()};
    ASSERT_TRUE(RunChecked(spec).ok());
    nlohmann::json config = nlohmann::json::parse(ReadFile(Bundle() + "/config.json").value());
    config["process"]["terminal"] = false;
    config["process"]["args"] = {"/bin/busybox", "sleep", "1000"};
    config["root"] = {{"path", root_dir_}, {"readonly", true}};
    ASSERT_TRUE(WriteFile(Bundle() + "/config.json", config.dump()).ok());
  }

  static void RunCrun(const std::vector<std::string>& arguments) {
    SpawnSpec spec;
    spec.argv = {"crun", "--root", Bundle() + "/root"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    absl::StatusOr<SpawnedProcess> child = Spawn(spec);
    ASSERT_TRUE(child.ok()) << child.status();
    const absl::StatusOr<ExitStatus> exit = WaitForExit(child->pidfd.get(), absl::Seconds(20));
    ASSERT_TRUE(exit.ok() && exit->exit_code == 0) << "crun " << arguments[0];
  }

  static void BareCycle(Figures* figures) {
    const absl::Duration cpu = Cpu();
    const absl::Duration begin = Clock::Real()->Monotonic();
    RunCrun({"run", "--detach", "--bundle", Bundle(), "--pid-file", Bundle() + "/pid", "bare"});
    figures->start.Add(Clock::Real()->Monotonic() - begin);
    const absl::Duration end = Clock::Real()->Monotonic();
    RunCrun({"delete", "--force", "bare"});
    figures->destroy.Add(Clock::Real()->Monotonic() - end);
    pid_t pid = 0;
    ASSERT_TRUE(absl::SimpleAtoi(ReadFile(Bundle() + "/pid").value(), &pid));
    waitpid(pid, nullptr, 0);  // Counts only once it is reaped.
    ReapOrphans({}, {"crun"});
    figures->cpu += Cpu() - cpu;
  }

  void OurCycle(const ContainerSpec& spec, Figures* figures) {
    const absl::Duration cpu = Cpu();
    const absl::Duration begin = Clock::Real()->Monotonic();
    const RunningContainer container = Start(spec);
    figures->start.Add(Clock::Real()->Monotonic() - begin);
    const absl::Duration end = Clock::Real()->Monotonic();
    Destroy(spec);
    figures->destroy.Add(Clock::Real()->Monotonic() - end);
    while (ProcessStartTime(container.pid).ok()) sched_yield();
    ReapOrphans({}, {"crun"});
    figures->cpu += Cpu() - cpu;
  }
};

TEST_F(RuntimeSpeedTest, IsNoSlowerThanTheBareRuntime) {
  MakeBareBundle();
  const ContainerSpec& spec = Add();
  Figures bare, ours;
  // A thread of its own: bare crun refuses hybrid hosts, so it gets the veil that our launchers
  // have, and nothing else.
  std::thread([&] {
    ASSERT_TRUE(EnterPrivateMountNamespace().ok());
    if (PathExists("/sys/fs/cgroup/unified/cgroup.controllers")) {
      ASSERT_TRUE(MountTmpfs("/sys/fs/cgroup/unified", "mode=555").ok());
    }
    for (int i = 0; i < 5; ++i) {
      Figures warm_up;
      BareCycle(&warm_up);
      OurCycle(spec, &warm_up);
    }
    for (int i = 0; i < kRounds; ++i) {
      BareCycle(&bare);
      OurCycle(spec, &ours);
    }
  }).join();
  bare.Print("bare crun run, crun delete");
  ours.Print("Start, Destroy");
  EXPECT_LE(ours.start.Percentile(0.5), 1.2 * bare.start.Percentile(0.5));
  EXPECT_LE(ours.cpu, bare.cpu);
}

}  // namespace
}  // namespace paddock::nodeagent
