#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <future>
#include <set>
#include <sstream>
#include <thread>

#include "common/clock.h"
#include "nodeagent/system/pidfd.h"
#include "tests/privileged/runtime_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RuntimeTest : public RuntimeFixture {
 protected:
  static void SetUpTestSuite() { MakeAgent("crun"); }
};

class RuncTest : public RuntimeFixture {
 protected:
  static void SetUpTestSuite() { MakeAgent("runc"); }
};

std::map<std::string, int> ParseProbe(const std::string& text) {
  std::map<std::string, int> errors;
  std::istringstream in(text);
  std::string name;
  int error = 0;
  while (in >> name >> error) errors[name] = error;
  return errors;
}

struct stat StatOf(const std::string& path) {
  struct stat st = {};
  EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
  return st;
}

TEST_F(RuntimeTest, RunsCommandsAsRootOfItsOwnNamespaces) {
  const ContainerSpec& spec = Add();
  Start(spec);
  EXPECT_EQ(Shell(spec, "id -u; pwd; hostname"), "0\n/workspace\nsandbox\n");
  for (const char* name : {"user", "net", "pid", "ipc", "uts", "mnt", "cgroup"}) {
    char host[64] = {};
    ASSERT_GT(readlink(absl::StrCat("/proc/self/ns/", name).c_str(), host, sizeof host - 1), 0);
    EXPECT_THAT(Shell(spec, absl::StrCat("readlink /proc/self/ns/", name)), Not(HasSubstr(host)));
  }
}

TEST_F(RuntimeTest, HasTheSmallCapabilitySetAndNoMore) {
  const ContainerSpec& spec = Add();
  Start(spec);
  // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SETFCAP.
  const std::string status = Shell(spec, "grep Cap /proc/self/status");
  EXPECT_THAT(status,
              AllOf(HasSubstr("CapBnd:\t00000000800005fb"), HasSubstr("CapEff:\t00000000800005fb"),
                    HasSubstr("CapPrm:\t00000000800005fb"), HasSubstr("CapAmb:\t0000000000000000"),
                    HasSubstr("CapInh:\t0000000000000000")));
  EXPECT_THAT(Shell(spec, "grep CapEff /proc/self/status", "user"),
              HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(Shell(spec, "grep Seccomp: /proc/self/status"), HasSubstr("\t2"));
}

TEST_F(RuntimeTest, RefusesWhatReachesTheHostsKernel) {
  const ContainerSpec& spec = Add();
  Start(spec);
  std::map<std::string, int> errors = ParseProbe(Shell(spec, "probe calls"));
  ASSERT_GT(errors.size(), 30U);
  const std::set<std::string> allowed = {"clone-plain", "socket-inet", "socket-unix",
                                         "personality-read", "ptrace"};
  for (const auto& [name, error] : errors) {
    if (allowed.count(name) > 0) {
      EXPECT_EQ(error, 0) << name;
    } else if (name == "clone3") {
      EXPECT_EQ(error, ENOSYS) << "C libraries must fall back to clone";
    } else {
      EXPECT_EQ(error, EPERM) << name;
    }
  }
}

TEST_F(RuntimeTest, MasksTheHostInProcAndSys) {
  const ContainerSpec& spec = Add();
  Start(spec);
  EXPECT_EQ(Shell(spec, "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c"), "0\n");
  EXPECT_EQ(Shell(spec, "ls /sys/firmware | wc -l"), "0\n");
  for (const char* path : {"/proc/sys/kernel/shmmni", "/proc/sysrq-trigger", "/sys/kernel/x"}) {
    EXPECT_EQ(Shell(spec, absl::StrCat("(echo 1 > ", path, ") 2>/dev/null && echo written")), "")
        << path;
  }
}

TEST_F(RuntimeTest, OffersTheUsualDevices) {
  const ContainerSpec& spec = Add();
  Start(spec);
  EXPECT_EQ(Shell(spec,
                  "for d in null zero full random urandom tty ptmx fd stdin stdout shm pts; do "
                  "test -e /dev/$d || echo lacks $d; done; "
                  "head -c 4 /dev/zero | wc -c; echo x > /dev/null; ls /dev | grep -c sd"),
            "4\n0\n");
  EXPECT_EQ(Shell(spec, "echo hi > /dev/shm/f && cat /dev/shm/f", "user"), "hi\n");
}

TEST_F(RuntimeTest, BoundsPtysOfASandbox) {
  const ContainerSpec& spec = Add();
  Start(spec);
  EXPECT_EQ(Shell(spec, "probe ptys"), "64\n");
}

TEST_F(RuntimeTest, LeavesNaturalOwnersOnDisk) {
  const ContainerSpec& spec = Add();
  Start(spec);
  Shell(spec,
        "touch /workspace/of-root; touch /tmp/of-user; chown user /tmp/of-user; "
        "chown 7:8 /bin/busybox; mkdir -m 700 /root/d");
  const std::string upper = spec.volume_dir + "/upper";
  EXPECT_EQ(StatOf(upper + "/workspace/of-root").st_uid, 0U);
  EXPECT_EQ(StatOf(upper + "/tmp/of-user").st_uid, 1000U);
  EXPECT_EQ(StatOf(upper + "/bin/busybox").st_uid, 7U);
  EXPECT_EQ(StatOf(upper + "/bin/busybox").st_gid, 8U);
  EXPECT_EQ(StatOf(root_dir_ + "/bin/busybox").st_uid, 0U) << "layers never change";
  // Seen from the host, the processes are nobody's.
  const std::string owner = ReadFile(absl::StrCat("/proc/", Start(Add(1)).pid, "/status")).value();
  EXPECT_THAT(owner, HasSubstr(absl::StrCat("Uid:\t", kUidBase + 65536)));
}

TEST_F(RuntimeTest, HonoursSetuidPrograms) {
  const ContainerSpec& spec = Add();
  Start(spec);
  Shell(spec, "cp /bin/probe /bin/suid-probe; chmod 4755 /bin/suid-probe");
  EXPECT_EQ(Shell(spec, "probe euid; suid-probe euid", "user"), "1000\n0\n");
}

TEST_F(RuntimeTest, KeepsPid1OutOfReach) {
  const ContainerSpec& spec = Add();
  Start(spec);
  EXPECT_EQ(Shell(spec,
                  "cat /proc/1/environ /proc/1/maps 2>/dev/null; "
                  "for f in /proc/1/fd/* /proc/1/exe; do readlink $f; done; kill -9 1; echo alive"),
            "alive\n");
  EXPECT_EQ(Shell(spec, "(echo x >> /.paddock/init) 2>/dev/null && echo written"), "");
}

TEST_F(RuntimeTest, SetsHostsResolverAndHostname) {
  const ContainerSpec& spec = Add();
  Start(spec);
  EXPECT_EQ(Shell(spec, "cat /etc/resolv.conf /etc/hosts /etc/hostname"),
            "resolv.conf\nhosts\nhostname\n");
}

TEST_F(RuntimeTest, SurvivesRemovalOfEverythingInside) {
  const ContainerSpec& spec = Add();
  Start(spec);
  Shell(spec, "rm -rf / 2>/dev/null; rm -rf /* 2>/dev/null");
  EXPECT_TRUE(PathExists(root_dir_ + "/bin/busybox"));
  EXPECT_TRUE(PathExists(PADDOCK_INIT_BINARY));
  EXPECT_EQ(StatOf("/dev/null").st_uid, 0U);
}

TEST_F(RuntimeTest, TellsTheEndAtOnce) {
  const ContainerSpec& spec = Add();
  const RunningContainer container = Start(spec);
  EXPECT_TRUE(runtime()->IsAlive(container));
  std::promise<ContainerExit> told;
  runtime()->WatchExit(container, spec.cgroup, [&told](ContainerExit e) { told.set_value(e); });
  const absl::Duration start = Clock::Real()->Monotonic();
  ASSERT_EQ(kill(container.pid, SIGKILL), 0);
  std::future<ContainerExit> future = told.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  const ContainerExit exit = future.get();
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_FALSE(exit.oom_killed);
  EXPECT_LT(Clock::Real()->Monotonic() - start, absl::Seconds(2));
  EXPECT_FALSE(runtime()->IsAlive(container));
}

TEST_F(RuntimeTest, TellsTheEndThatCameBeforeTheQuestion) {
  const ContainerSpec& spec = Add();
  const RunningContainer container = Start(spec);
  const absl::StatusOr<UniqueFd> pidfd = PidfdOpen(container.pid);
  ASSERT_TRUE(pidfd.ok());
  ASSERT_EQ(kill(container.pid, SIGKILL), 0);
  while (ProcessStartTime(container.pid).ok()) std::this_thread::yield();  // Until it is reaped.
  std::promise<ContainerExit> told;
  runtime()->WatchExit(container, spec.cgroup, [&told](ContainerExit e) { told.set_value(e); });
  std::future<ContainerExit> future = told.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(future.get().signal, SIGKILL);
}

TEST_F(RuntimeTest, ReportsLackOfMemoryAsThat) {
  ContainerSpec& spec = Add();
  spec.limits.memory_bytes = 64 << 20;
  Start(spec);
  const absl::StatusOr<CommandResult> result = RunInside(spec, {"/bin/probe", "eat", "200"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->signal, SIGKILL);
  EXPECT_GE(cgroups_->Usage(spec.cgroup)->oom_kills, 1);
  EXPECT_EQ(Shell(spec, "echo alive"), "alive\n");
}

TEST_F(RuntimeTest, BoundsProcesses) {
  ContainerSpec& spec = Add();
  spec.limits.pids = 50;
  Start(spec);
  const int forks = std::stoi(Shell(spec, "probe fork"));
  EXPECT_GT(forks, 30);
  EXPECT_LT(forks, 50);
  EXPECT_GE(cgroups_->Usage(spec.cgroup)->pids_refused, 1);
}

TEST_F(RuntimeTest, ExplainsAFailedStartAndLeavesNothing) {
  ContainerSpec& spec = Add();
  spec.lower_dirs = {scratch_->path() + "/no-such-layer"};
  const Census before = Count();
  const absl::StatusOr<RunningContainer> container = runtime()->Start(spec, absl::Seconds(20));
  ASSERT_FALSE(container.ok());
  EXPECT_THAT(std::string(container.status().message()), HasSubstr("no-such-layer"));
  ExpectNoMoreThan(before);
  EXPECT_FALSE(PathExists(spec.runtime_root));
  EXPECT_FALSE(PathExists(spec.init_socket));
}

TEST_F(RuntimeTest, FailsWithTheRuntimesOwnWords) {
  ContainerSpec& spec = Add();
  spec.etc_dir += "/nowhere";
  const Census before = Count();
  const absl::StatusOr<RunningContainer> container = runtime()->Start(spec, absl::Seconds(20));
  ASSERT_FALSE(container.ok());
  EXPECT_THAT(std::string(container.status().message()),
              AllOf(HasSubstr("crun"), HasSubstr("resolv.conf")));
  ExpectNoMoreThan(before);
}

TEST_F(RuntimeTest, DestroyingTwiceOrNothingIsFine) {
  const ContainerSpec& spec = Add();
  Destroy(spec);
  Start(spec);
  Destroy(spec);
  Destroy(spec);
  EXPECT_FALSE(PathExists(spec.bundle_dir));
}

TEST_F(RuntimeTest, RefusesASecondContainerInACgroupInUse) {
  const ContainerSpec& spec = Add();
  const RunningContainer container = Start(spec);
  const absl::StatusOr<RunningContainer> second = runtime()->Start(spec, absl::Seconds(20));
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_TRUE(runtime()->IsAlive(container)) << "the first one must go on";
}

TEST_F(RuntimeTest, KeepsItsFilesOverARestart) {
  const ContainerSpec& spec = Add();
  Start(spec);
  Shell(spec, "echo kept > /workspace/f");
  Destroy(spec);
  Start(spec);
  EXPECT_EQ(Shell(spec, "cat /workspace/f"), "kept\n");
}

TEST_F(RuntimeTest, LaunchersKeepNoOtherFileSystemBusy) {
  const std::vector<std::string> tasks = ListDirectory("/proc/self/task").value();
  int launchers = 0;
  for (const std::string& task : tasks) {
    const std::string mounts =
        ReadFile(absl::StrCat("/proc/self/task/", task, "/mountinfo")).value();
    if (mounts.find("/run/paddock-launch") == std::string::npos) continue;
    ++launchers;
    EXPECT_THAT(mounts, Not(HasSubstr(Volumes())));
  }
  EXPECT_GT(launchers, 0);
}

TEST_F(RuntimeTest, StartsFromVolumesThatLaunchersDoNotSee) {
  ContainerSpec& spec = Add();
  spec.volume_dir = Volumes() + "/one";
  ASSERT_TRUE(MakeDirectories(spec.volume_dir + "/upper").ok());
  ASSERT_TRUE(MakeDirectories(spec.volume_dir + "/work").ok());
  Start(spec);
  EXPECT_EQ(Shell(spec, "echo hi > /workspace/f; cat /workspace/f"), "hi\n");
  EXPECT_EQ(StatOf(spec.volume_dir + "/upper/workspace/f").st_uid, 0U);
}

TEST_F(RuntimeTest, StacksSeveralLayersAndMountsVolatile) {
  ContainerSpec& spec = Add();
  const std::string top = scratch_->path() + "/top";
  ASSERT_TRUE(MakeDirectories(top + "/opt").ok());
  ASSERT_TRUE(WriteFile(top + "/opt/tool", "tool\n", 0644).ok());
  spec.lower_dirs = {top, root_dir_};
  spec.volatile_upper = true;
  Start(spec);
  EXPECT_EQ(Shell(spec, "cat /opt/tool; id -u"), "tool\n0\n");
  EXPECT_THAT(Shell(spec, "grep ' / / ' /proc/self/mountinfo"), HasSubstr("volatile"));
}

TEST_F(RuntimeTest, KeepsToTheHostsLimitsAndWritesNoCores) {
  const ContainerSpec& spec = Add();
  Start(spec);
  rlimit host = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &host), 0);
  EXPECT_EQ(Shell(spec, "ulimit -Hn; cat /proc/self/limits | grep core"),
            absl::StrCat(std::min<rlim_t>(host.rlim_max, 1'048'576),
                         "\nMax core file size        1                    1                    "
                         "bytes     \n"));
}

TEST_F(RuntimeTest, StartsAHundredAtOnce) {
  const Census before = Count();
  std::vector<ContainerSpec> specs;
  for (int slot = 0; slot < 100; ++slot) {
    ContainerSpec& spec = Add(slot);
    spec.limits.memory_bytes = 32 << 20;
    specs.push_back(spec);
  }
  std::vector<std::thread> threads;
  std::vector<absl::Duration> took(specs.size());
  const absl::Duration start = Clock::Real()->Monotonic();
  for (size_t i = 0; i < specs.size(); ++i) {
    threads.emplace_back([&, i] {
      Start(specs[i]);
      took[i] = Clock::Real()->Monotonic() - start;
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::sort(took.begin(), took.end());
  printf("100 starts at once: p50 %.0f ms, p99 %.0f ms\n", absl::ToDoubleMilliseconds(took[49]),
         absl::ToDoubleMilliseconds(took[98]));
  for (const ContainerSpec& spec : specs) EXPECT_EQ(Shell(spec, "echo ok"), "ok\n");
  while (!sandboxes_.empty()) Remove(sandboxes_.begin()->first);
  ExpectNoMoreThan(before);
}

TEST_F(RuntimeTest, TwoHundredCyclesLeaveNothing) {
  const ContainerSpec& spec = Add();
  Start(spec);
  Destroy(spec);
  const Census before = Count();
  for (int i = 0; i < 200; ++i) {
    Start(spec);
    Destroy(spec);
  }
  ExpectNoMoreThan(before);
}

TEST_F(RuncTest, WorksAsTheFallback) {
  const Census before = Count();
  const ContainerSpec& spec = Add();
  Start(spec);
  EXPECT_EQ(Shell(spec, "id -u; pwd; hostname"), "0\n/workspace\nsandbox\n");
  EXPECT_THAT(Shell(spec, "grep CapEff /proc/self/status"), HasSubstr("00000000800005fb"));
  std::map<std::string, int> errors = ParseProbe(Shell(spec, "probe calls"));
  EXPECT_EQ(errors["unshare"], EPERM);
  EXPECT_EQ(errors["socket-vsock"], EPERM);
  EXPECT_EQ(errors["clone3"], ENOSYS);
  EXPECT_EQ(Shell(spec, "probe ptys"), "64\n");
  Remove("sesn_0");
  ExpectNoMoreThan(before);
  EXPECT_EQ(StatOf("/dev/null").st_uid, 0U);
}

}  // namespace
}  // namespace paddock::nodeagent
