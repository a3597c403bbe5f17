// The managers that come to the slim base image as toolchain layers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_agent.h"

namespace paddock::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kNobody[] = "65534:65534";

constexpr char kGemspec[] = R"(--- !ruby/object:Gem::Specification
name: hello
version: !ruby/object:Gem::Version
  version: 1.0.0
platform: ruby
authors:
- test
bindir: bin
date: 2025-01-01 00:00:00.000000000 Z
dependencies: []
executables:
- hello-gem
files:
- bin/hello-gem
- lib/hello_gem.rb
require_paths:
- lib
required_ruby_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
required_rubygems_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
specification_version: 4
summary: says hello
)";

// A gem with a program and a library: its bytes.
std::string MakeGem() {
  char name[] = "/var/tmp/paddock-gem-XXXXXX";
  const std::string directory = mkdtemp(name);
  EXPECT_TRUE(nodeagent::WriteFile(directory + "/metadata", kGemspec).ok());
  nodeagent::SpawnSpec make;
  make.argv = {
      "sh", "-ec",
      "mkdir bin lib; printf 'HELLO = \"hello from a gem\"\\n' >lib/hello_gem.rb; "
      "printf 'require \"hello_gem\"\\nputs HELLO\\n' >bin/hello-gem; chmod 755 bin/hello-gem; "
      "tar -czf data.tar.gz bin lib; gzip -n metadata; tar -cf hello.gem metadata.gz "
      "data.tar.gz"};
  make.cwd = directory;
  const auto made = nodeagent::RunChecked(make);
  EXPECT_TRUE(made.ok()) << made.status();
  std::string bytes = nodeagent::ReadFile(directory + "/hello.gem").value_or("");
  EXPECT_TRUE(nodeagent::RemoveTree(directory).ok());
  return bytes;
}

class ToolchainsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    agent_ = new TestAgent(0, {"--volumes_bytes=6442450944"});
    gem_image_ = agent_->AddBaseImage({{"/opt/hello-1.0.0.gem", MakeGem()}});
    const std::string problem = agent_->Start();
    ASSERT_EQ(problem, "");
  }
  static void TearDownTestSuite() {
    delete agent_;
    agent_ = nullptr;
  }
  void TearDown() override { EXPECT_THAT(agent_->Leftovers(), IsEmpty()); }

  // What `command` says to a user who isn't root, in a session from the layer.
  CommandOutput Try(const BuildResult& layer, const std::vector<std::string>& command) {
    const std::string session = agent_->StartSession(layer.built.digest());
    const CommandOutput output = agent_->Run(session, command, kNobody);
    EXPECT_TRUE(agent_->StopSession(session).ok());
    return output;
  }
  static TestAgent* agent_;
  static std::string gem_image_;
};

TestAgent* ToolchainsTest::agent_ = nullptr;
std::string ToolchainsTest::gem_image_;

TEST_F(ToolchainsTest, PandasThatThePythonOfTheImageTakes) {
  const BuildResult old = agent_->Install("pip", {"pandas==2.2.0"});
  EXPECT_EQ(old.failure.package(), "pandas==2.2.0") << old.Text();
  EXPECT_THAT(old.failure.message(), HasSubstr("no ready-made build for the image's Python 3.13"));
  // pip names neither here.
  const BuildResult beside = agent_->Install("pip", {"six", "pandas==2.2.0"});
  EXPECT_EQ(beside.failure.package(), "pandas==2.2.0") << beside.Text();
  EXPECT_THAT(beside.failure.message(), HasSubstr("no ready-made build for the image's Python"));
  const BuildResult built = agent_->Install("pip", {"pandas==2.2.3"});
  ASSERT_TRUE(built.ok()) << built.Text();
  EXPECT_EQ(Try(built, {"python3", "-c", "import pandas; print(pandas.__version__)"}).text,
            "2.2.3\n");
}

TEST_F(ToolchainsTest, AMaintainerScriptRunsAndServicesDoNot) {
  const BuildResult built = agent_->Install("apt", {"ffmpeg", "cron", "openssh-server"});
  ASSERT_TRUE(built.ok()) << built.Text();
  EXPECT_THAT(Try(built, {"ffmpeg", "-version"}).text, HasSubstr("ffmpeg version"));
  // Made by the scripts of the packages.
  EXPECT_THAT(Try(built, {"getent", "passwd", "sshd"}).text, HasSubstr("/usr/sbin/nologin"));
}

TEST_F(ToolchainsTest, Gem) {
  internal::v1::BuildLayerRequest toolchain = agent_->Request("gem", {});
  toolchain.set_toolchain(true);
  toolchain.set_base_image(gem_image_);
  const BuildResult manager = agent_->Build(toolchain);
  ASSERT_TRUE(manager.ok()) << manager.Text();
  internal::v1::BuildLayerRequest request = agent_->Request("gem", {"/opt/hello-1.0.0.gem"});
  request.set_base_image(gem_image_);
  request.set_parent(manager.built.digest());
  const BuildResult built = agent_->Build(request);
  ASSERT_TRUE(built.ok()) << built.Text();
  EXPECT_EQ(Try(built, {"hello-gem"}).text, "hello from a gem\n");
  EXPECT_EQ(Try(built, {"ruby", "-e", "require 'hello_gem'; puts HELLO"}).text,
            "hello from a gem\n");
}

TEST_F(ToolchainsTest, Npm) {
  const BuildResult built = agent_->Install("npm", {"is-number@7.0.0"}, "", /*toolchain=*/true);
  ASSERT_TRUE(built.ok()) << built.Text();
  EXPECT_EQ(Try(built, {"node", "-e", "console.log(require('is-number')(5))"}).text, "true\n");
  const BuildResult none = agent_->Install("npm", {"is-number@99.0.0"}, built.built.digest());
  EXPECT_EQ(none.failure.reason(), "INSTALL_FAILED") << none.Text();
  EXPECT_EQ(none.failure.package(), "is-number@99.0.0");
}

TEST_F(ToolchainsTest, Go) {
  const BuildResult built =
      agent_->Install("go", {"rsc.io/quote/buggy@v1.5.2"}, "", /*toolchain=*/true);
  // A module without a program: the toolchain works, the package doesn't.
  EXPECT_EQ(built.failure.reason(), "INSTALL_FAILED") << built.Text();
  const BuildResult tool =
      agent_->Install("go", {"golang.org/x/tools/cmd/stringer@v0.24.0"}, "", /*toolchain=*/true);
  ASSERT_TRUE(tool.ok()) << tool.Text();
  EXPECT_THAT(Try(tool, {"stringer", "-help"}).text, HasSubstr("Usage of stringer"));
}

TEST_F(ToolchainsTest, Cargo) {
  const BuildResult built = agent_->Install("cargo", {"sd@1.0.0"}, "", /*toolchain=*/true);
  ASSERT_TRUE(built.ok()) << built.Text();
  EXPECT_THAT(Try(built, {"sd", "--version"}).text, HasSubstr("1.0.0"));
}

}  // namespace
}  // namespace paddock::testing
