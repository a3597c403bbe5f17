// The managers that the slim base image has, against the registries that this machine reaches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/packages/hostile_projects.h"
#include "tests/packages/test_agent.h"

namespace paddock::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kNobody[] = "65534:65534";

class PackagesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    agent_ = new TestAgent();
    hostile_image_ = agent_->AddBaseImage(HostileProjects());
    deaf_image_ = agent_->AddBaseImage(DeafRegistries());
    const std::string problem = agent_->Start();
    ASSERT_EQ(problem, "");
  }
  static void TearDownTestSuite() {
    delete agent_;
    agent_ = nullptr;
  }
  void TearDown() override { EXPECT_THAT(agent_->Leftovers(), IsEmpty()); }

  static internal::v1::BuildLayerRequest Hostile(const std::string& project) {
    internal::v1::BuildLayerRequest request =
        agent_->Request("pip", {absl::StrCat("/opt/", project)});
    request.set_base_image(hostile_image_);
    return request;
  }
  static TestAgent* agent_;
  static std::string hostile_image_;
  static std::string deaf_image_;
};

TestAgent* PackagesTest::agent_ = nullptr;
std::string PackagesTest::hostile_image_;
std::string PackagesTest::deaf_image_;

TEST_F(PackagesTest, AnAptLayerServesEveryUserOfASession) {
  const BuildResult built = agent_->Install("apt", {"jq=1.7*"});
  ASSERT_TRUE(built.ok()) << built.Text();
  EXPECT_GT(built.built.size_bytes(), 0);
  EXPECT_THAT(built.log, Contains(HasSubstr("Setting up jq")));
  const std::string session = agent_->StartSession(built.built.digest());
  ASSERT_NE(session, "");
  const std::vector<std::string> command = {"sh", "-c", "echo '{\"a\": 7}' | jq .a"};
  EXPECT_EQ(agent_->Run(session, command).text, "7\n");
  EXPECT_EQ(agent_->Run(session, command, kNobody).text, "7\n");
  // Nothing of the build shows.
  EXPECT_EQ(agent_->Run(session, {"test", "-e", "/usr/sbin/policy-rc.d"}).code, 1);
  EXPECT_EQ(agent_->Run(session, {"ls", "/var/lib/apt/lists/partial"}).text, "");
  EXPECT_TRUE(agent_->StopSession(session).ok());
}

TEST_F(PackagesTest, PipOnAptAndTheSameKeyAgainIsThereAtOnce) {
  const BuildResult apt = agent_->Install("apt", {"tree"});
  ASSERT_TRUE(apt.ok()) << apt.Text();
  internal::v1::BuildLayerRequest request = agent_->Request("pip", {"six==1.16.0"});
  request.set_parent(apt.built.digest());
  const BuildResult pip = agent_->Build(request);
  ASSERT_TRUE(pip.ok()) << pip.Text();
  const BuildResult again = agent_->Build(request);
  ASSERT_TRUE(again.ok()) << again.Text();
  EXPECT_EQ(again.built.digest(), pip.built.digest());
  EXPECT_THAT(again.log, IsEmpty());
  EXPECT_LT(again.took, absl::Seconds(1));
  const std::string session = agent_->StartSession(pip.built.digest());
  ASSERT_NE(session, "");
  const CommandOutput out =
      agent_->Run(session, {"python3", "-c", "import six; print(six.__version__)"}, kNobody);
  EXPECT_EQ(out.text, "1.16.0\n");
  EXPECT_EQ(agent_->Run(session, {"tree", "--version"}, kNobody).code, 0);
  EXPECT_TRUE(agent_->StopSession(session).ok());
}

TEST_F(PackagesTest, WhatDoesNotExistFailsWithItsName) {
  const BuildResult package = agent_->Install("apt", {"tree", "no-such-package-anywhere"});
  EXPECT_EQ(package.failure.reason(), "INSTALL_FAILED") << package.Text();
  EXPECT_EQ(package.failure.package(), "no-such-package-anywhere");
  EXPECT_EQ(package.failure.exit_code(), 100);
  EXPECT_THAT(package.failure.log_tail(), HasSubstr("no-such-package-anywhere"));
  const BuildResult old = agent_->Install("apt", {"jq", "tree=99.0"});
  EXPECT_EQ(old.failure.package(), "tree=99.0") << old.Text();
  EXPECT_EQ(old.failure.exit_code(), 100);
  EXPECT_THAT(old.failure.log_tail(), HasSubstr("99.0"));
  const BuildResult version = agent_->Install("pip", {"six==99.0", "idna"});
  EXPECT_EQ(version.failure.reason(), "INSTALL_FAILED") << version.Text();
  EXPECT_EQ(version.failure.package(), "six==99.0");
  EXPECT_EQ(version.failure.exit_code(), 1);
  EXPECT_THAT(version.failure.log_tail(), HasSubstr("six==99.0"));
  EXPECT_THAT(version.failure.message(), Not(HasSubstr("Python"))) << version.Text();
}

TEST_F(PackagesTest, ARegistryThatDoesNotAnswerIsSaidAndTheNextTryIsClean) {
  for (const char* manager : {"apt", "pip"}) {
    internal::v1::BuildLayerRequest request =
        agent_->Request(manager, {manager == std::string("apt") ? "tree" : "six"});
    request.set_base_image(deaf_image_);
    const BuildResult deaf = agent_->Build(request);
    EXPECT_EQ(deaf.failure.reason(), "INSTALL_FAILED") << deaf.Text();
    EXPECT_EQ(deaf.failure.package(), request.specs(0));
    EXPECT_EQ(deaf.failure.exit_code(), manager == std::string("apt") ? 100 : 1);
    EXPECT_THAT(deaf.failure.message(), HasSubstr("a registry didn't answer"));
    EXPECT_THAT(deaf.failure.log_tail(), HasSubstr("onnection refused"));
    // The same key, as the control plane tries it again.
    request.set_base_image(agent_->base_image());
    const BuildResult built = agent_->Build(request);
    EXPECT_TRUE(built.ok()) << built.Text();
  }
}

TEST_F(PackagesTest, APinThatThePythonOfTheImageCannotTakeSaysSo) {
  // Its metadata asks for an older Python.
  const BuildResult unfit = agent_->Install("pip", {"scipy==1.11.0"});
  EXPECT_EQ(unfit.failure.reason(), "INSTALL_FAILED") << unfit.Text();
  EXPECT_EQ(unfit.failure.package(), "scipy==1.11.0");
  EXPECT_THAT(unfit.failure.message(), HasSubstr("can't be used with the image's Python 3."));
  // Its wheels are for older ones, and its sources refuse.
  const BuildResult sources = agent_->Install("pip", {"numba==0.58.0"});
  EXPECT_EQ(sources.failure.package(), "numba==0.58.0") << sources.Text();
  EXPECT_THAT(sources.failure.message(),
              HasSubstr("no ready-made build for the image's Python 3."));
}

TEST_F(PackagesTest, AManagerThatTheImageLacksIsSaid) {
  const BuildResult result = agent_->Install("gem", {"rake"});
  EXPECT_EQ(result.failure.reason(), "MANAGER_MISSING") << result.Text();
}

TEST_F(PackagesTest, AParentThatTheNodeLacksIsSaid) {
  internal::v1::BuildLayerRequest request = agent_->Request("pip", {"six"});
  request.set_parent(absl::StrCat("sha256:", std::string(64, '0')));
  EXPECT_EQ(agent_->Build(request).failure.reason(), "PARENT_MISSING");
}

TEST_F(PackagesTest, CancellingTheCallEndsTheBuild) {
  const size_t layers = agent_->Layers().size();
  const internal::v1::BuildLayerRequest request = Hostile("loop");
  const BuildResult result =
      agent_->Build(request, [](grpc::ClientContext* context, const std::string& line) {
        if (line.find("pip install") != std::string::npos) context->TryCancel();
      });
  EXPECT_TRUE(absl::IsCancelled(result.status)) << result.Text();
  // One for the same key has its turn when nothing of the first is left.
  internal::v1::BuildLayerRequest next = agent_->Request("pip", {"six==1.15.0"});
  next.set_cache_key(request.cache_key());
  const BuildResult built = agent_->Build(next);
  EXPECT_TRUE(built.ok()) << built.Text();
  EXPECT_THAT(agent_->Layers(), SizeIs(layers + 1));
}

TEST_F(PackagesTest, AnInstallScriptThatLoopsIsEndedInTime) {
  internal::v1::BuildLayerRequest request = Hostile("loop");
  request.mutable_timeout()->set_seconds(6);
  const BuildResult result = agent_->Build(request);
  EXPECT_EQ(result.failure.reason(), "TIMED_OUT") << result.Text();
  EXPECT_EQ(result.failure.package(), "/opt/loop");
  EXPECT_LT(result.took, absl::Seconds(30));
}

TEST_F(PackagesTest, AnInstallScriptThatFillsTheDiskHurtsNobodyElse) {
  const std::string session = agent_->StartSession("");
  internal::v1::BuildLayerRequest request = Hostile("fill");
  request.mutable_limits()->set_disk_bytes(int64_t{256} << 20);
  const BuildResult result = agent_->Build(request);
  EXPECT_EQ(result.failure.reason(), "DISK_FULL") << result.Text();
  EXPECT_EQ(agent_->Run(session, {"sh", "-c", "echo kept > /workspace/f && cat /workspace/f"}).text,
            "kept\n");
  EXPECT_TRUE(agent_->StopSession(session).ok());
}

TEST_F(PackagesTest, AnInstallScriptThatTakesAllMemoryOrProcessesIsNamedForIt) {
  internal::v1::BuildLayerRequest request = Hostile("hog");
  request.mutable_limits()->set_memory_bytes(int64_t{256} << 20);
  const BuildResult memory = agent_->Build(request);
  EXPECT_EQ(memory.failure.reason(), "OOM_KILLED") << memory.Text();
  request = Hostile("fork");
  request.mutable_limits()->set_pids(100);
  // Its parent waits for children that sleep.
  request.mutable_timeout()->set_seconds(8);
  const BuildResult processes = agent_->Build(request);
  EXPECT_EQ(processes.failure.reason(), "PIDS_EXHAUSTED") << processes.Text();
}

TEST_F(PackagesTest, AnInstallScriptLeavesNoProcessBehind) {
  const BuildResult result = agent_->Build(Hostile("leave"));
  EXPECT_EQ(result.failure.reason(), "INSTALL_FAILED") << result.Text();
  EXPECT_THAT(result.failure.log_tail(), HasSubstr("left something"));
}

TEST_F(PackagesTest, ALimitedBuildReachesTheRegistriesAndNothingElse) {
  internal::v1::BuildLayerRequest request = Hostile("reach");
  request.mutable_network()->mutable_limited();
  const BuildResult refused = agent_->Build(request);
  EXPECT_EQ(refused.failure.reason(), "EGRESS_DENIED") << refused.Text();
  EXPECT_THAT(refused.failure.message(), HasSubstr("refused.example"));
}

TEST_F(PackagesTest, AnAgentKilledInMidBuildLeavesNothingAndBuildsAnew) {
  const size_t layers = agent_->Layers().size();
  internal::v1::BuildLayerRequest request = Hostile("loop");
  const BuildResult killed =
      agent_->Build(request, [](grpc::ClientContext*, const std::string& line) {
        if (line.find("pip install") != std::string::npos) agent_->Kill();
      });
  EXPECT_TRUE(absl::IsUnavailable(killed.status)) << killed.Text();
  EXPECT_THAT(agent_->Leftovers(), ::testing::Not(IsEmpty()));
  EXPECT_THAT(agent_->Layers(), SizeIs(layers));
  ASSERT_EQ(agent_->Start(), "");
  EXPECT_THAT(agent_->Leftovers(), IsEmpty());
  internal::v1::BuildLayerRequest again = agent_->Request("pip", {"six==1.14.0"});
  again.set_cache_key(request.cache_key());
  const BuildResult built = agent_->Build(again);
  ASSERT_TRUE(built.ok()) << built.Text();
  const std::string session = agent_->StartSession(built.built.digest());
  EXPECT_EQ(agent_->Run(session, {"python3", "-c", "import six"}).code, 0);
  EXPECT_TRUE(agent_->StopSession(session).ok());
}

}  // namespace
}  // namespace paddock::testing
