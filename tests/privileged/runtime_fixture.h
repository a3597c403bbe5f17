#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "nodeagent/runtime/runtime_factory.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"
#include "nodeagent/system/subprocess.h"
#include "tests/privileged/test_sandbox.h"

namespace paddock::nodeagent {

// One agent's runtime and one root file system (busybox and the probe) for all tests of a suite;
// sandboxes are made by Add and destroyed at the end of each test.
class RuntimeFixture : public ::testing::Test {
 protected:
  static constexpr uint32_t kUidBase = 0x7a000000;

  static void MakeAgent(const std::string& standard_runtime) {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    scratch_ = std::make_unique<ScratchDirectory>();
    absl::StatusOr<std::string> root = MakeBusyboxRoot(scratch_->path());
    ASSERT_TRUE(root.ok()) << root.status();
    root_dir_ = *root;
    SpawnSpec copy;
    copy.argv = {"cp", PADDOCK_PROBE_BINARY, absl::StrCat(root_dir_, "/bin/probe")};
    ASSERT_TRUE(RunChecked(copy).ok());
    absl::StatusOr<std::unique_ptr<CgroupManager>> cgroups =
        MakeCgroupManager("paddock-test/runtime");
    ASSERT_TRUE(cgroups.ok()) << cgroups.status();
    cgroups_ = *std::move(cgroups);
    SandboxLimits capacity;
    capacity.cpu_millis = 2000;
    capacity.memory_bytes = int64_t{8} << 30;
    capacity.pids = 16'384;
    const absl::Status prepared = cgroups_->Prepare(capacity);
    ASSERT_TRUE(prepared.ok()) << prepared;
    OciRuntimeOptions options;
    options.init_path = PADDOCK_INIT_BINARY;
    options.standard = standard_runtime;
    options.session_dirs = {scratch_->path()};
    AddTestRuntimes(&options);
    // Another file system, as volumes are: there when the launchers start.
    ASSERT_TRUE(MakeDirectories(Volumes()).ok());
    ASSERT_TRUE(MountTmpfs(Volumes(), "size=64m").ok());
    absl::StatusOr<OciRuntimes> runtimes = MakeOciRuntimes(options, cgroups_.get());
    ASSERT_TRUE(runtimes.ok()) << runtimes.status();
    runtimes_ = std::make_unique<OciRuntimes>(*std::move(runtimes));
  }

  // Runtimes that no package installs may lie anywhere.
  static void AddTestRuntimes(OciRuntimeOptions* options) {
    const char* dir = getenv("PADDOCK_TEST_RUNTIME_DIR");
    if (dir != nullptr) options->search_dirs.insert(options->search_dirs.begin(), dir);
  }

  static void TearDownTestSuite() {
    chosen_ = nullptr;
    runtimes_.reset();
    if (cgroups_ != nullptr) {
      const absl::Status removed = cgroups_->RemoveSubtree();
      EXPECT_TRUE(removed.ok()) << removed;
      const std::vector<MountEntry> mounts = ReadMounts().value();
      for (const MountEntry& mount : mounts) {
        EXPECT_FALSE(PathExists(mount.mount_point + "/paddock-test/runtime"));
      }
    }
    cgroups_.reset();
    if (scratch_ != nullptr) {
      EXPECT_TRUE(DetachMount(Volumes()).ok());
    }
    scratch_.reset();
  }

  void TearDown() override {
    while (!sandboxes_.empty()) Remove(sandboxes_.begin()->first);
  }

  // As nodeagent/system/paths.h draws them below a state directory.
  static std::string Sessions() { return scratch_->path() + "/sessions"; }
  static std::string Volumes() { return scratch_->path() + "/volumes"; }

  static ContainerRuntime* runtime() {
    return chosen_ != nullptr ? chosen_ : runtimes_->standard.get();
  }

  // A sandbox that doesn't run yet; slots have uid ranges of their own.
  ContainerSpec& Add(int slot = 0) {
    const std::string id = absl::StrCat("sesn_", slot);
    absl::StatusOr<TestSandbox> sandbox =
        PrepareSandbox(Sessions(), root_dir_, id, kUidBase + static_cast<uint32_t>(slot) * 65536);
    EXPECT_TRUE(sandbox.ok()) << sandbox.status();
    return (sandboxes_[id] = *std::move(sandbox)).spec;
  }

  RunningContainer Start(const ContainerSpec& spec) {
    absl::StatusOr<RunningContainer> container = runtime()->Start(spec, absl::Seconds(60));
    EXPECT_TRUE(container.ok()) << container.status();
    return container.value_or(RunningContainer{});
  }

  void Destroy(const ContainerSpec& spec) {
    const absl::Status destroyed = runtime()->Destroy(spec, absl::Seconds(20));
    EXPECT_TRUE(destroyed.ok()) << destroyed;
  }

  void Remove(const std::string& id) {
    const auto sandbox = sandboxes_.find(id);
    Destroy(sandbox->second.spec);
    EXPECT_TRUE(RemoveTree(absl::StrCat(Sessions(), "/", id)).ok());
    sandboxes_.erase(sandbox);
  }

  std::string Shell(const ContainerSpec& spec, const std::string& script,
                    const std::string& user = "") {
    absl::StatusOr<CommandResult> result = ShellInside(spec, script, user);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->output : "";
  }

  // What must be as before once sandboxes are gone.
  struct Census {
    size_t mounts = 0;
    size_t cgroups = 0;
    size_t descriptors = 0;
    size_t threads = 0;
    size_t children = 0;  // Processes whose parent we are, zombies too.
    // Whether nothing is more than before; less is what had just ended then.
    bool NoMoreThan(const Census& before) const {
      return mounts <= before.mounts && cgroups <= before.cgroups &&
             descriptors <= before.descriptors && threads <= before.threads &&
             children <= before.children;
    }
    friend std::ostream& operator<<(std::ostream& out, const Census& c) {
      return out << "mounts " << c.mounts << ", cgroups " << c.cgroups << ", descriptors "
                 << c.descriptors << ", threads " << c.threads << ", children " << c.children;
    }
  };
  static Census Count() {
    Census census;
    census.mounts = ReadMounts().value().size();
    census.cgroups = cgroups_->List().value().size();
    census.descriptors = ListDirectory("/proc/self/fd").value().size();
    const std::vector<std::string> tasks = ListDirectory("/proc/self/task").value();
    census.threads = tasks.size();
    for (const std::string& task : tasks) {
      const std::string children =
          ReadFile(absl::StrCat("/proc/self/task/", task, "/children")).value_or("");
      census.children += static_cast<size_t>(std::count(children.begin(), children.end(), ' '));
    }
    return census;
  }

  // Waits some seconds at most for what has ended to be reaped.
  static void ExpectNoMoreThan(const Census& before) {
    const absl::Duration deadline = Clock::Real()->Monotonic() + absl::Seconds(5);
    Census now = Count();
    while (!now.NoMoreThan(before) && Clock::Real()->Monotonic() < deadline) {
      sched_yield();
      now = Count();
    }
    EXPECT_TRUE(now.NoMoreThan(before)) << "before: " << before << "\nnow: " << now;
  }

  static inline std::unique_ptr<ScratchDirectory> scratch_;
  static inline std::string root_dir_;
  static inline std::unique_ptr<CgroupManager> cgroups_;
  static inline std::unique_ptr<OciRuntimes> runtimes_;
  static inline ContainerRuntime* chosen_ = nullptr;  // Instead of the standard one.
  std::map<std::string, TestSandbox> sandboxes_;
};

}  // namespace paddock::nodeagent
