// All six managers through the control plane, from a registry whose certificate only a company's
// authority vouches for, with packages that the test makes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/private_registry.h"
#include "tests/packages/test_fleet.h"

namespace paddock::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Makes a gem and the index of a registry that has it; a tar archive in base64 on standard output.
constexpr char kMakeGems[] = R"(mkdir -p /tmp/gem && cd /tmp/gem && cat >make.rb <<'END'
require 'rubygems/package'
require 'zlib'
%w[lib bin root/gems root/quick/Marshal.4.8].each { |name| FileUtils.mkdir_p(name) }
File.write('lib/hello_gem.rb', "HELLO = 'hello from gem'\n")
File.write('bin/hello-gem', "#!/usr/bin/env ruby\nrequire 'hello_gem'\nputs HELLO\n")
File.chmod(0755, 'bin/hello-gem')
spec = Gem::Specification.new do |s|
  s.name, s.version, s.summary, s.authors = 'hello-gem', '1.0.0', 'says hello', ['test']
  s.files, s.executables = ['lib/hello_gem.rb', 'bin/hello-gem'], ['hello-gem']
end
file = Gem::Package.build(spec)
FileUtils.mv(file, 'root/gems')
File.binwrite('root/quick/Marshal.4.8/hello-gem-1.0.0.gemspec.rz', Zlib::Deflate.deflate(Marshal.dump(spec)))
index = Marshal.dump([['hello-gem', Gem::Version.new('1.0.0'), 'ruby']])
{ 'specs' => index, 'latest_specs' => index, 'prerelease_specs' => Marshal.dump([]) }.each do |name, data|
  File.binwrite("root/#{name}.4.8.gz", Zlib.gzip(data))
end
END
HOME=/tmp ruby -rfileutils make.rb >/dev/null 2>make.log && tar -czf - -C root . | base64 || { cat make.log; exit 1; })";

class PackageRegistriesTest : public ::testing::Test {
 protected:
  // The slim image, made on a machine that knows the company's authority.
  PackageRegistriesTest() {
    char name[] = "/var/tmp/paddock-company-XXXXXX";
    directory_ = mkdtemp(name);
    const std::string archive = directory_ + "/slim.tar";
    nodeagent::SpawnSpec build;
    build.argv = {absl::StrCat(PADDOCK_BASE_IMAGE_TOOLS, "/build"), "slim", archive};
    build.env.push_back(absl::StrCat("PADDOCK_EXTRA_CERTIFICATES=", registry_.certificates()));
    build.env.push_back(absl::StrCat("PADDOCK_HOME=", directory_));
    nodeagent::SubprocessOptions options;
    options.timeout = absl::Minutes(15);
    const auto built = nodeagent::RunChecked(build, options);
    EXPECT_TRUE(built.ok()) << built.status();
    // Of this test's process alone.
    plain_image_ = getenv("PADDOCK_TEST_IMAGE");
    setenv("PADDOCK_TEST_IMAGE", archive.c_str(), 1);
  }
  ~PackageRegistriesTest() override {
    setenv("PADDOCK_TEST_IMAGE", plain_image_.c_str(), 1);
    nodeagent::RemoveTree(directory_).IgnoreError();
  }

  PrivateRegistry registry_;
  std::string directory_;
  std::string plain_image_;
};

TEST_F(PackageRegistriesTest, AllManagersTrustTheNodesCertificates) {
  TestFleet fleet;
  TestAgent& agent = fleet.AddAgent({"--volumes_bytes=8589934592"});
  agent.AddFlag(absl::StrCat("--base_image=", agent.AddBaseImage(registry_.Configuration())));
  fleet.Join(agent);
  // Something that has ruby makes the gem.
  const std::string ruby = fleet.CreateEnvironment({{"apt", {"ruby"}}}).id();
  ASSERT_EQ(fleet.Watch(ruby).state(), v1::IMAGE_STATE_READY);
  const ExecResult gems = fleet.Shell(fleet.Run(ruby), kMakeGems);
  ASSERT_EQ(gems.code, 0) << gems.out << gems.err;
  registry_.AddGems(gems.out);

  const std::map<std::string, std::string> says_hello = {
      {"apt", "hello-apt"},
      {"cargo", "hello-cargo"},
      {"gem", "hello-gem && ruby -e \"require 'hello_gem'\""},
      {"go", "hello-go 2>&1"},
      {"npm", "node -e \"console.log(require('hello-npm'))\""},
      {"pip", "python3 -c 'import hello_pip'"}};
  TestFleet::Packages packages;
  for (const auto& [manager, command] : says_hello) {
    packages[manager] = {manager == "go" ? "hello.example/hello-go@v1.0.0"
                                         : absl::StrCat("hello-", manager)};
  }
  const std::string id = fleet.CreateEnvironment(packages).id();
  const v1::EnvironmentImage image = fleet.Watch(id);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  std::vector<std::string> managers;
  for (const v1::ImageLayer& layer : image.layers()) {
    if (!layer.toolchain()) managers.push_back(layer.manager());
    EXPECT_GT(layer.build_duration().seconds() + layer.build_duration().nanos(), 0);
    printf("  %s%s: %lld KiB\n", layer.manager().c_str(), layer.toolchain() ? " itself" : "",
           static_cast<long long>(layer.size_bytes() >> 10));
  }
  EXPECT_THAT(managers, ElementsAre("apt", "cargo", "gem", "go", "npm", "pip"));
  const v1::Session session = fleet.Run(id);
  for (const auto& [manager, command] : says_hello) {
    const ExecResult result = fleet.Shell(session, command);
    EXPECT_EQ(result.code, 0) << manager << ": " << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr(absl::StrCat("hello from ", manager)));
  }
  // The same environment again costs nothing.
  EXPECT_EQ(fleet.Watch(fleet.CreateEnvironment(packages).id()).digest(), image.digest());
  fleet.Clear();
}

TEST_F(PackageRegistriesTest, WithoutThemTheRegistryIsNotTrusted) {
  setenv("PADDOCK_TEST_IMAGE", plain_image_.c_str(), 1);
  TestAgent agent;
  const std::string image = agent.AddBaseImage(registry_.Configuration());
  ASSERT_EQ(agent.Start(), "");
  for (const char* manager : {"apt", "pip"}) {
    internal::v1::BuildLayerRequest request =
        agent.Request(manager, {absl::StrCat("hello-", manager)});
    request.set_base_image(image);
    const BuildResult result = agent.Build(request);
    EXPECT_EQ(result.failure.reason(), "INSTALL_FAILED") << result.Text();
    EXPECT_THAT(result.failure.log_tail(), HasSubstr("ertificate")) << result.Text();
  }
}

}  // namespace
}  // namespace paddock::testing
