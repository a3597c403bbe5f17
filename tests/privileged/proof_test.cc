// Runtime classes are offered only when a throwaway container has worked with them.

#include <gmock/gmock.h>

#include "tests/privileged/helper_fixture.h"
#include "tests/privileged/proof_fixture.h"

namespace paddock::nodeagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A runsc that answers to --version and fails like one that lacks something.
constexpr char kFailingRunsc[] =
    "#!/bin/sh\n"
    "case \"$*\" in --version) echo 'runsc version pretended'; exit 0;; esac\n"
    "echo 'starting sandbox: this kernel lacks what the platform needs' >&2\n"
    "exit 128\n";

TEST_F(ProofFixture, CrunAndRuncWorkAndLeaveNothing) {
  for (const char* name : {"crun", "runc"}) {
    ASSERT_TRUE(Prove(*runtimes_, name).ok()) << "warms up";
    const Census before = Count();
    const absl::Status proof = Prove(*runtimes_, name);
    EXPECT_TRUE(proof.ok()) << name << ": " << proof;
    ExpectNothingLeft(before);
  }
}

TEST_F(ProofFixture, WhatIsNotInstalledSaysSo) {
  OciRuntimeOptions options;
  options.init_path = PADDOCK_INIT_BINARY;
  options.search_dirs = {"/usr/bin", "/usr/sbin"};
  const absl::StatusOr<OciRuntimes> found = MakeOciRuntimes(options, cgroups_.get());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->found.count("runsc"), 0U);
  EXPECT_EQ(found->missing.at("runsc"), "runsc isn't installed");
}

TEST_F(ProofFixture, AFailingRuntimeIsQuotedAndLeavesNothing) {
  const std::string dir = scratch_->path() + "/pretended";
  ASSERT_TRUE(MakeDirectories(dir).ok());
  ASSERT_TRUE(WriteFile(dir + "/runsc", kFailingRunsc, 0755).ok());
  const std::unique_ptr<OciRuntimes> pretended = FindIn(dir);
  ASSERT_EQ(pretended->found.count("runsc"), 1U);
  const Census before = Count();
  const absl::Status proof = Prove(*pretended, "runsc");
  EXPECT_FALSE(proof.ok());
  EXPECT_THAT(std::string(proof.message()),
              AllOf(HasSubstr("runsc ended with code 128"),
                    HasSubstr("starting sandbox: this kernel lacks what the platform needs")));
  ExpectNothingLeft(before);
}

TEST_F(ProofFixture, WhatAnInterruptedProofLeftIsSwept) {
  SessionRecord record;
  record.spec.session_id = "proof-crun";
  ContainerSpec spec = DescribeContainer(paths_, record);
  ASSERT_TRUE(MakeDirectories(spec.bundle_dir).ok());
  ASSERT_TRUE(volumes_->Create("proof-crun", 1 << 20).ok());
  ASSERT_TRUE(cgroups_->Create("proof-crun", {1000, 1 << 26, 100, 1 << 26, 100}).ok());
  resources_.runtimes["crun"] = runtimes_->found.at("crun").get();
  RuntimeProver(&resources_, "boot").Sweep();
  EXPECT_FALSE(PathExists(paths_.SessionDir("proof-crun")));
  EXPECT_TRUE(volumes_->List()->empty());
  EXPECT_THAT(cgroups_->List().value(), ::testing::Not(::testing::Contains("proof-crun")));
}

// The runtime class runsc with the real program, where there is one.
// Not a package of Debian's, so its absence is no failure.
#define SKIP_WITHOUT_RUNSC()                                          \
  if (runtimes_ != nullptr && runtimes_->found.count("runsc") == 0) { \
    GTEST_SKIP() << runtimes_->missing["runsc"];                      \
  }

class RunscProofTest : public ProofFixture {};

TEST_F(RunscProofTest, WorksAndLeavesNothing) {
  SKIP_WITHOUT_RUNSC();
  const absl::Status first = Prove(*runtimes_, "runsc");
  ASSERT_TRUE(first.ok()) << first;
  const Census before = Count();
  const absl::Status proof = Prove(*runtimes_, "runsc");
  EXPECT_TRUE(proof.ok()) << proof;
  ExpectNothingLeft(before);
}

class RunscTest : public HelperFixture {
 protected:
  static void SetUpTestSuite() {
    MakeAgent("");
    if (runtimes_ != nullptr && runtimes_->found.count("runsc") > 0) {
      chosen_ = runtimes_->found["runsc"].get();
    }
  }
  void SetUp() override {
    HelperFixture::SetUp();
    if (IsSkipped()) return;
    SKIP_WITHOUT_RUNSC();
    StartSandbox();
  }
};

TEST_F(RunscTest, StartsCommandsInAKernelOfItsOwn) {
  EXPECT_THAT(Say("cat /proc/version"), HasSubstr("gvisor"));
  EXPECT_EQ(Say("id -u; id -g; pwd; hostname; echo $HOME $USER"),
            "0\n0\n/workspace\nsandbox\n/root root\n");
  EXPECT_EQ(Say("id -u; id -g; echo $HOME", "user"), "1000\n1000\n/tmp\n");
  EXPECT_EQ(Run(ShellSpec("exit 7"))->code, 7);
  EXPECT_EQ(Run(ShellSpec("kill -9 $$"))->signal, SIGKILL);
  ExecSpec spec;
  spec.command = {"no-such-program"};
  EXPECT_EQ(Run(spec)->code, 127);
  EXPECT_TRUE(absl::IsInvalidArgument(Run(ShellSpec("true", "nobody-here")).status()));
  spec.command = {"cat"};
  EXPECT_EQ(Run(spec, "through the pipe")->output, "through the pipe");
  spec.tty = true;
  ExecStreams streams;
  UniqueFd procs;
  const std::unique_ptr<InitClient> client = Next(&procs);
  EXPECT_TRUE(absl::IsUnimplemented(client->Exec(spec, procs.get(), &streams, kTimeout).status()));
}

TEST_F(RunscTest, PassesSignals) {
  ExecStreams streams;
  auto handle =
      Begin(ShellSpec("trap 'echo got it; exit 3' TERM; echo ready; sleep 60 & wait"), &streams);
  ASSERT_NE(handle, nullptr);
  ReadUntil(streams.stdout_read.get(), "ready\n");
  ASSERT_TRUE(handle->Signal(SIGTERM).ok());
  EXPECT_EQ(ReadUntil(streams.stdout_read.get(), "\n"), "got it\n");
  EXPECT_EQ(Wait(handle.get())->code, 3);
}

TEST_F(RunscTest, GivingACommandUpKillsItsTree) {
  ExecStreams streams;
  auto handle = Begin(ShellSpec("(setsid sleep 1000 &) ; sleep 1000 & echo ready; wait"), &streams);
  ASSERT_NE(handle, nullptr);
  ReadUntil(streams.stdout_read.get(), "ready\n");
  EXPECT_EQ(Say("ps | grep -c 'sleep 100[0]$'"), "2\n");
  handle.reset();
  // Its output ends with the last of them.
  EXPECT_EQ(ReadUntil(streams.stdout_read.get(), "never said"), "");
  EXPECT_EQ(Say("ps | grep -c 'sleep 100[0]$'"), "0\n");
}

TEST_F(RunscTest, FilesGoInAndOutAndLieOnTheVolume) {
  const std::string text(20'000, 'x');
  const absl::StatusOr<CommandResult> written =
      Run(*WriteFileCommand("/workspace/a/file", 0640),
          WriteFrame(text.size()) + text + WriteEnd(text.size()));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->code, 0) << written->output;
  EXPECT_EQ(Run(*ReadFileCommand("/workspace/a/file", 0, 0))->output, text);
  EXPECT_THAT(Run(*ListDirectoryCommand("/workspace/a"))->output, HasSubstr("file"));
  EXPECT_TRUE(PathExists(spec_->volume_dir + "/upper/workspace/a/file"));
}

}  // namespace
}  // namespace paddock::nodeagent
