// Layers travel from the node that built them to one that didn't, through an OCI registry.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/spawn.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_agent.h"

namespace paddock::testing {
namespace {

// Debian's registry on a port of the loopback interface, with an empty store.
class TestRegistry {
 public:
  TestRegistry() : port_(FreePort()) {
    char name[] = "/var/tmp/paddock-registry-XXXXXX";
    directory_ = mkdtemp(name);
    const std::string config = directory_ + "/config.yml";
    EXPECT_TRUE(
        nodeagent::WriteFile(
            config, absl::StrCat("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: "
                                 "{rootdirectory: ",
                                 directory_, "/store}\nhttp: {addr: 127.0.0.1:", port_, "}\n"))
            .ok());
    nodeagent::SpawnSpec spec;
    spec.argv = {"docker-registry", "serve", config};
    const auto child = nodeagent::Spawn(spec);
    EXPECT_TRUE(child.ok()) << child.status();
    if (child.ok()) pid_ = child->pid;
    nodeagent::SpawnSpec wait;
    wait.argv = {"curl",
                 "--silent",
                 "--fail",
                 "--retry",
                 "50",
                 "--retry-delay",
                 "1",
                 "--retry-connrefused",
                 absl::StrCat("http://127.0.0.1:", port_, "/v2/")};
    nodeagent::SubprocessOptions options;
    options.timeout = absl::Seconds(60);
    const auto up = nodeagent::RunChecked(wait, options);
    EXPECT_TRUE(up.ok()) << up.status();
  }
  ~TestRegistry() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    nodeagent::RemoveTree(directory_).IgnoreError();
  }
  // Flags of an agent that uses it.
  std::vector<std::string> Flags() const {
    return {absl::StrCat("--layer_registry=127.0.0.1:", port_, "/layers"),
            "--layer_registry_flags=--src-tls-verify=false,--dest-tls-verify=false",
            "--volumes_bytes=2147483648"};
  }

 private:
  const int port_;
  std::string directory_;
  pid_t pid_ = -1;
};

TEST(LayerRegistryTest, ANodeThatLacksAnImagePullsAllOfIt) {
  TestRegistry registry;
  TestAgent builder(0, registry.Flags());
  ASSERT_EQ(builder.Start(), "");
  const BuildResult apt = builder.Install("apt", {"tree"});
  ASSERT_TRUE(apt.ok()) << apt.Text();
  const BuildResult pip = builder.Install("pip", {"six==1.16.0"}, apt.built.digest());
  ASSERT_TRUE(pip.ok()) << pip.Text();

  TestAgent other(1, registry.Flags());
  ASSERT_EQ(other.Start(), "");
  EXPECT_EQ(other.Layers().size(), 1u);
  const std::string session = other.StartSession(pip.built.digest());
  ASSERT_NE(session, "");
  EXPECT_EQ(other.Run(session, {"python3", "-c", "import six; print(six.__version__)"}).text,
            "1.16.0\n");
  EXPECT_EQ(other.Run(session, {"tree", "--version"}, "65534:65534").code, 0);
  EXPECT_TRUE(other.StopSession(session).ok());
  EXPECT_EQ(other.Layers(), builder.Layers());
  // What was pulled serves a build too, and its cache key is known.
  const BuildResult more = other.Install("pip", {"idna"}, pip.built.digest());
  EXPECT_TRUE(more.ok()) << more.Text();
  internal::v1::BuildLayerRequest unknown = other.Request("pip", {"six"});
  unknown.set_parent(absl::StrCat("sha256:", std::string(64, '0')));
  EXPECT_EQ(other.Build(unknown).failure.reason(), "PARENT_MISSING");
}

}  // namespace
}  // namespace paddock::testing
