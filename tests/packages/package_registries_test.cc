// All six managers, from registries whose certificates only a company's authority vouches for, with
// packages that the test makes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/hostile_projects.h"
#include "tests/packages/private_registry.h"
#include "tests/packages/test_fleet.h"

namespace paddock::testing {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRoot[] = "";
constexpr char kNobody[] = "65534:65534";

// What a user runs of the package that each manager has installed.
const std::map<std::string, std::string>& SaysHello() {
  static const auto* const commands = new std::map<std::string, std::string>{
      {"apt", "hello-apt"},
      {"cargo", "hello-cargo"},
      {"gem", "hello-gem && ruby -e \"require 'hello_gem'\""},
      {"go", "hello-go 2>&1"},
      {"npm", "node -e \"console.log(require('hello-npm'))\""},
      {"pip", "python3 -c 'import hello_pip'"}};
  return *commands;
}

// Fetches a package in a session, from the registry that the image's configuration names.
const std::map<std::string, std::string>& Fetches() {
  static const auto* const commands = new std::map<std::string, std::string>{
      {"apt", "apt-get -qq update && apt-get -qq download hello-apt && ls hello-apt*.deb"},
      {"cargo", "cargo install --quiet --root /tmp/cargo hello-cargo && ls /tmp/cargo/bin"},
      {"gem", "gem fetch hello-gem"},
      {"go", "GOPATH=/tmp/go go install hello.example/hello-go@latest && ls /tmp/go/bin"},
      {"npm", "npm pack --silent hello-npm"},
      {"pip", "python3 -m pip download --quiet hello-pip && ls hello_pip*"}};
  return *commands;
}

std::string SpecOf(const std::string& manager) {
  return manager == "go" ? "hello.example/hello-go@v1.0.0" : absl::StrCat("hello-", manager);
}

class PackageRegistriesTest : public ::testing::Test {
 protected:
  // The slim image, made on a machine that knows the company's authority.
  static void SetUpTestSuite() {
    registry_ = new PrivateRegistry();
    char name[] = "/var/tmp/paddock-company-XXXXXX";
    directory_ = new std::string(mkdtemp(name));
    nodeagent::SpawnSpec build;
    build.argv = {absl::StrCat(PADDOCK_BASE_IMAGE_TOOLS, "/build"), "slim", CompanyImage()};
    build.env.push_back(absl::StrCat("PADDOCK_EXTRA_CERTIFICATES=", registry_->certificates()));
    build.env.push_back(absl::StrCat("PADDOCK_HOME=", *directory_));
    nodeagent::SubprocessOptions options;
    options.timeout = absl::Minutes(15);
    const auto built = nodeagent::RunChecked(build, options);
    ASSERT_TRUE(built.ok()) << built.status();
    const char* const image = getenv("PADDOCK_TEST_IMAGE");
    plain_image_ = new std::string(image == nullptr ? "" : image);
  }
  static void TearDownTestSuite() {
    delete registry_;
    nodeagent::RemoveTree(*directory_).IgnoreError();
    delete directory_;
    delete plain_image_;
  }
  // Of this test's process alone.
  void SetUp() override { setenv("PADDOCK_TEST_IMAGE", CompanyImage().c_str(), 1); }
  void TearDown() override { setenv("PADDOCK_TEST_IMAGE", plain_image_->c_str(), 1); }

  static std::string CompanyImage() { return *directory_ + "/slim.tar"; }
  // Agents ask the company's name server.
  static std::vector<std::string> Flags() {
    return {"--volumes_bytes=8589934592", absl::StrCat("--resolv_conf=", registry_->resolv_conf())};
  }
  static internal::v1::BuildLayerRequest Request(TestAgent& agent, const std::string& image,
                                                 const std::string& manager) {
    internal::v1::BuildLayerRequest request = agent.Request(manager, {SpecOf(manager)});
    request.set_base_image(image);
    return request;
  }
  static internal::v1::BuildLayerRequest ToolchainRequest(TestAgent& agent,
                                                          const std::string& image,
                                                          const std::string& manager) {
    internal::v1::BuildLayerRequest request = agent.Request(manager, {});
    request.set_base_image(image);
    request.set_toolchain(true);
    return request;
  }
  // A gem for the company's registry, by an image that has ruby.
  static void MakeGem(TestAgent& agent, const std::string& image) {
    const std::string session = agent.StartSession(image);
    const CommandOutput gems =
        agent.Run(session, {"sh", "-c", PrivateRegistry::kMakeGems}, kNobody);
    EXPECT_EQ(gems.code, 0) << gems.text;
    registry_->AddGems(gems.text);
    EXPECT_TRUE(agent.StopSession(session).ok());
  }
  // The managers' own answer, as deploy/base-image asks them; apt knows its hosts by its lists.
  static std::string AskRegistries(TestAgent& agent, const std::string& image) {
    const std::string session = agent.StartSession(image);
    const CommandOutput answer = agent.Run(
        session,
        {"sh", "-c",
         "apt-get update >/dev/null && HOME=/root /usr/share/paddock/registries 2>/dev/null"},
        kRoot);
    EXPECT_EQ(answer.code, 0) << answer.text;
    EXPECT_TRUE(agent.StopSession(session).ok());
    return answer.text;
  }

  static PrivateRegistry* registry_;
  static std::string* directory_;
  static std::string* plain_image_;
};

PrivateRegistry* PackageRegistriesTest::registry_ = nullptr;
std::string* PackageRegistriesTest::directory_ = nullptr;
std::string* PackageRegistriesTest::plain_image_ = nullptr;

TEST_F(PackageRegistriesTest, AllManagersTrustTheNodesCertificatesAndNameTheirRegistries) {
  std::map<std::string, std::string> configuration = PrivateRegistry::Configuration();
  {
    TestAgent agent(0, Flags());
    const std::string image = agent.AddBaseImage(configuration);
    ASSERT_EQ(agent.Start(), "");
    const std::string registries = AskRegistries(agent, image);
    EXPECT_THAT(registries, HasSubstr(PrivateRegistry::Host("apt")));
    EXPECT_THAT(registries, HasSubstr(PrivateRegistry::Host("pip")));
    // As an operator does who changes the configuration of an image.
    configuration["/usr/share/paddock/registries.json"] = registries;
    const BuildResult gem = agent.Build(ToolchainRequest(agent, image, "gem"));
    ASSERT_TRUE(gem.ok()) << gem.Text();
    EXPECT_THAT(gem.built.registry_hosts(), Contains(PrivateRegistry::Host("gem")));
    MakeGem(agent, gem.built.digest());
  }
  TestFleet fleet;
  TestAgent& agent = fleet.AddAgent(Flags());
  agent.AddFlag(absl::StrCat("--base_image=", agent.AddBaseImage(configuration)));
  fleet.Join(agent);
  TestFleet::Packages packages;
  for (const auto& [manager, command] : SaysHello()) packages[manager] = {SpecOf(manager)};
  // Nothing but what the managers name is reached.
  const std::vector<std::string> no_hosts;
  const std::string id = fleet.CreateEnvironment(packages, 0, &no_hosts).id();
  const v1::EnvironmentImage image = fleet.Watch(id);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  std::vector<std::string> managers;
  for (const v1::ImageLayer& layer : image.layers()) {
    if (!layer.toolchain()) managers.push_back(layer.manager());
    const absl::Duration took = absl::Seconds(layer.build_duration().seconds()) +
                                absl::Nanoseconds(layer.build_duration().nanos());
    EXPECT_GT(took, absl::ZeroDuration());
    printf("  %s%s: %s, %lld KiB\n", layer.manager().c_str(), layer.toolchain() ? " itself" : "",
           absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(1))).c_str(),
           static_cast<long long>(layer.size_bytes() >> 10));
  }
  EXPECT_THAT(managers, ElementsAre("apt", "cargo", "gem", "go", "npm", "pip"));
  const v1::Session session = fleet.Run(id);
  for (const auto& [manager, command] : SaysHello()) {
    const ExecResult result = fleet.Shell(session, command);
    EXPECT_EQ(result.code, 0) << manager << ": " << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr(absl::StrCat("hello from ", manager)));
  }
  for (const auto& [manager, command] : Fetches()) {
    const ExecResult result = fleet.ShellAs(
        "root", session, absl::StrCat("cd \"$(mktemp -d)\" && chmod 777 . && ", command));
    EXPECT_EQ(result.code, 0) << manager << ": " << result.out << result.err;
    EXPECT_THAT(result.out, AnyOf(HasSubstr("hello-"), HasSubstr("hello_"))) << manager;
  }
  const ExecResult other =
      fleet.Shell(session, "curl --silent --show-error --max-time 20 http://refused.example/");
  EXPECT_THAT(other.out + other.err, HasSubstr("is not allowed"));
  // The same environment again costs nothing.
  EXPECT_EQ(fleet.Watch(fleet.CreateEnvironment(packages, 0, &no_hosts).id()).digest(),
            image.digest());
  fleet.Clear();
}

TEST_F(PackageRegistriesTest, ALimitedBuildReachesTheRegistriesThatTheOperatorNames) {
  TestAgent agent(0, Flags());
  const std::string image = agent.AddBaseImage(PrivateRegistry::Configuration());
  ASSERT_EQ(agent.Start(), "");
  // The image's own list is of before the configuration.
  internal::v1::BuildLayerRequest request = Request(agent, image, "pip");
  request.mutable_network()->mutable_limited()->set_allow_package_managers(true);
  const BuildResult refused = agent.Build(request);
  EXPECT_EQ(refused.failure.reason(), "EGRESS_DENIED") << refused.Text();
  EXPECT_THAT(refused.failure.message(), HasSubstr(PrivateRegistry::Host("pip")));
  agent.Kill();
  agent.AddFlag(absl::StrCat("--registry_hosts=", PrivateRegistry::Host("pip")));
  ASSERT_EQ(agent.Start(), "");
  const BuildResult built = agent.Build(request);
  EXPECT_TRUE(built.ok()) << built.Text();
  EXPECT_THAT(built.built.other_hosts(), IsEmpty());
}

TEST_F(PackageRegistriesTest, AnInstallScriptReachesTheHostsOfTheEnvironmentAlone) {
  const std::string tools = PrivateRegistry::Host("tools");
  TestAgent agent(0, Flags());
  const std::string image =
      agent.AddBaseImage(FetchingProject("fetch", absl::StrCat("https://", tools, "/hello")));
  ASSERT_EQ(agent.Start(), "");
  internal::v1::BuildLayerRequest request = agent.Request("pip", {"/opt/fetch"});
  request.set_base_image(image);
  auto* const limited = request.mutable_network()->mutable_limited();
  limited->set_allow_package_managers(true);
  const BuildResult refused = agent.Build(request);
  EXPECT_EQ(refused.failure.reason(), "EGRESS_DENIED") << refused.Text();
  EXPECT_THAT(refused.failure.message(), HasSubstr(tools));
  limited->add_hosts(tools);
  const BuildResult built = agent.Build(request);
  ASSERT_TRUE(built.ok()) << built.Text();
  // Where this isn't allowed, the layer isn't used.
  EXPECT_THAT(built.built.other_hosts(), ElementsAre(tools));
  const std::string session = agent.StartSession(built.built.digest());
  EXPECT_EQ(
      agent.Run(session, {"python3", "-c", "import fetched; print(fetched.TEXT)"}, kNobody).text,
      "hello from tools\n");
  EXPECT_TRUE(agent.StopSession(session).ok());
}

TEST_F(PackageRegistriesTest, WithoutThemNoManagerTrustsTheRegistries) {
  setenv("PADDOCK_TEST_IMAGE", plain_image_->c_str(), 1);
  TestAgent agent(0, Flags());
  std::map<std::string, std::string> configuration = PrivateRegistry::Configuration();
  const std::string with_apt = agent.AddBaseImage(configuration);
  // Managers come by apt, which would fail for its part.
  configuration.erase(PrivateRegistry::kAptList);
  // It takes a refused certificate for a fault of the network.
  configuration["/root/.npmrc"] += "fetch-retries=0\n";
  const std::string image = agent.AddBaseImage(configuration);
  ASSERT_EQ(agent.Start(), "");
  for (const auto& [manager, command] : SaysHello()) {
    internal::v1::BuildLayerRequest request =
        Request(agent, manager == "apt" ? with_apt : image, manager);
    if (manager != "apt" && manager != "pip") {
      const BuildResult toolchain = agent.Build(ToolchainRequest(agent, image, manager));
      ASSERT_TRUE(toolchain.ok()) << toolchain.Text();
      request.set_parent(toolchain.built.digest());
    }
    const BuildResult result = agent.Build(request);
    EXPECT_EQ(result.failure.reason(), "INSTALL_FAILED") << result.Text();
    EXPECT_THAT(result.failure.log_tail(), HasSubstr("ertificate")) << result.Text();
  }
}

}  // namespace
}  // namespace paddock::testing
