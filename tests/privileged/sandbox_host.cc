#include "tests/privileged/sandbox_host.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/mount.h"
#include "tests/privileged/pretend_internet.h"

namespace paddock::nodeagent {
namespace {

constexpr char kSubtree[] = "paddock-test/egress";

}  // namespace

SandboxHost::SandboxHost(Root root) {
  // Another file system than the machine's root: no layer of an overlay may lie in another.
  EXPECT_TRUE(MakeDirectories(Volumes()).ok());
  EXPECT_TRUE(MountTmpfs(Volumes(), "size=1g").ok());
  const std::string tools = Volumes() + "/tools";
  if (root == Root::kMachine) {
    layers_ = {tools, "/"};
    for (const char* name : {"/.paddock", "/workspace", "/usr/bin"}) {
      EXPECT_TRUE(MakeDirectories(tools + name).ok());
    }
    MustRun(absl::StrCat("cp ", PADDOCK_PROBE_BINARY, " ", tools, "/usr/bin/probe"));
    MustRun(absl::StrCat("cp ", PADDOCK_MUSL_FETCH_BINARY, " ", tools, "/usr/bin/musl-fetch"));
  } else {
    const absl::StatusOr<std::string> busybox = MakeBusyboxRoot(scratch_.path());
    EXPECT_TRUE(busybox.ok()) << busybox.status();
    layers_ = {busybox.value_or("")};
    MustRun(absl::StrCat("cp ", PADDOCK_PROBE_BINARY, " ", layers_[0], "/bin/probe"));
  }
  absl::StatusOr<std::unique_ptr<CgroupManager>> cgroups = MakeCgroupManager(kSubtree);
  EXPECT_TRUE(cgroups.ok()) << cgroups.status();
  cgroups_ = *std::move(cgroups);
  SandboxLimits capacity;
  capacity.cpu_millis = 8000;
  capacity.memory_bytes = int64_t{8} << 30;
  capacity.pids = 16'384;
  EXPECT_TRUE(cgroups_->Prepare(capacity).ok());
  OciRuntimeOptions options;
  options.init_path = PADDOCK_INIT_BINARY;
  options.session_dirs = {scratch_.path()};
  absl::StatusOr<OciRuntimes> runtimes = MakeOciRuntimes(options, cgroups_.get());
  EXPECT_TRUE(runtimes.ok()) << runtimes.status();
  runtimes_ = std::make_unique<OciRuntimes>(*std::move(runtimes));
}

SandboxHost::~SandboxHost() {
  runtimes_.reset();
  const absl::Status removed = cgroups_->RemoveSubtree();
  EXPECT_TRUE(removed.ok()) << removed;
  EXPECT_TRUE(DetachMount(Volumes()).ok());
}

ContainerSpec SandboxHost::Start(const std::string& id, const NamespacePair& pair) {
  absl::StatusOr<TestSandbox> sandbox =
      PrepareSandbox(scratch_.path(), layers_[0], id, pair.uid_base);
  EXPECT_TRUE(sandbox.ok()) << sandbox.status();
  ContainerSpec spec = sandbox.ok() ? sandbox->spec : ContainerSpec{};
  spec.lower_dirs = layers_;
  spec.volume_dir = absl::StrCat(Volumes(), "/", id);
  for (const char* name : {"/upper", "/work"}) {
    EXPECT_TRUE(MakeDirectories(spec.volume_dir + name).ok());
  }
  spec.userns_fd = pair.userns.get();
  spec.netns_fd = pair.netns.get();
  spec.limits.memory_bytes = int64_t{1} << 30;
  spec.limits.pids = 512;
  spec.env.push_back("HOME=/root");
  const std::string resolver = absl::StrCat("nameserver ", pair.gateway, "\n");
  EXPECT_TRUE(WriteFile(spec.etc_dir + "/resolv.conf", resolver, 0644).ok());
  EXPECT_TRUE(WriteFile(spec.etc_dir + "/hosts", "127.0.0.1 localhost\n", 0644).ok());
  absl::StatusOr<RunningContainer> container = runtimes_->standard->Start(spec, absl::Seconds(60));
  EXPECT_TRUE(container.ok()) << container.status();
  return spec;
}

void SandboxHost::Destroy(const ContainerSpec& spec) {
  const absl::Status destroyed = runtimes_->standard->Destroy(spec, absl::Seconds(20));
  EXPECT_TRUE(destroyed.ok()) << destroyed;
  EXPECT_TRUE(RemoveTree(spec.volume_dir).ok());
  EXPECT_TRUE(RemoveTree(absl::StrCat(scratch_.path(), "/", spec.session_id)).ok());
}

}  // namespace paddock::nodeagent
