// Other base images, and environments with very many packages.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_fleet.h"

namespace paddock::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// An OCI image of Debian 12, whose Python is 3.11, as its maker would publish it; then the base
// image that from-oci makes of it.
constexpr char kMakeImage[] = R"(cd "$0" && export HOME=/root
. "$1/../lib/common.sh" && . "$1/../lib/debian_mirrors.sh"
debian_mirrors bookworm >sources
mmdebstrap --quiet --mode=root --variant=minbase --include=python3,python3-pip,ca-certificates \
  --aptopt='APT::Install-Recommends "false"' bookworm bundle-root sources
umoci init --layout oci
umoci new --image oci:python
umoci unpack --image oci:python bundle
rmdir bundle/rootfs && mv bundle-root bundle/rootfs
umoci repack --image oci:python bundle
umoci config --image oci:python --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  --config.env FROM_OCI=yes
rm -rf bundle
"$1/from-oci" oci:"$0"/oci:python "$0"/python.tar)";

TEST(PackageImagesTest, AnOciImageWithAnotherPythonTakesTheOlderPin) {
  char name[] = "/var/tmp/paddock-oci-XXXXXX";
  const std::string directory = mkdtemp(name);
  nodeagent::SpawnSpec make;
  make.argv = {"bash", "-euo", "pipefail", "-c", kMakeImage, directory, PADDOCK_BASE_IMAGE_TOOLS};
  nodeagent::SubprocessOptions options;
  options.timeout = absl::Minutes(10);
  const auto made = nodeagent::RunChecked(make, options);
  ASSERT_TRUE(made.ok()) << made.status();
  {
    TestFleet fleet;
    TestAgent& agent = fleet.AddAgent();
    agent.AddFlag(absl::StrCat("--base_image=", directory, "/python.tar"));
    fleet.Join(agent);
    const std::string id = fleet.CreateEnvironment({{"pip", {"pandas==2.2.0"}}}).id();
    const v1::EnvironmentImage image = fleet.Watch(id);
    EXPECT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
    const ExecResult result = fleet.Shell(
        fleet.Run(id),
        "python3 -c 'import sys, pandas; print(sys.version_info[1], pandas.__version__)'; echo "
        "$FROM_OCI");
    EXPECT_EQ(result.out, "11 2.2.0\nyes\n") << result.err;
    fleet.Clear();
  }
  EXPECT_TRUE(nodeagent::RemoveTree(directory).ok());
}

// The smallest packages that need nothing else, as the image's own apt knows them.
std::vector<std::string> SmallPackages(TestFleet& fleet, size_t count) {
  const ExecResult list = fleet.ShellAs(
      "root", fleet.Run(fleet.CreateEnvironment({}).id()),
      "apt-get update >/dev/null 2>&1; apt-cache dumpavail | awk -v RS= -F '\\n' '{ name = size = "
      "\"\"; bad = 0; for (i = 1; i <= NF; i++) { split($i, f, \": \"); if (f[1] == \"Package\") "
      "name = f[2]; if (f[1] == \"Size\") size = f[2]; if (f[1] ~ "
      "/^(Depends|Pre-Depends|Conflicts|Breaks|Provides|Essential)$/) bad = 1 } if (!bad && name "
      "~ /^[a-z0-9-]+$/ && size > 2000) print size, name }' | sort -n | uniq | cut -d ' ' -f 2");
  std::vector<std::string> packages;
  for (const absl::string_view line : absl::StrSplit(list.out, '\n', absl::SkipEmpty())) {
    if (packages.size() < count) packages.emplace_back(line);
  }
  return packages;
}

TEST(PackageImagesTest, TwoHundredPackagesInOneEnvironment) {
  TestFleet fleet;
  fleet.Join(fleet.AddAgent());
  std::vector<std::string> apt = SmallPackages(fleet, 185);
  ASSERT_THAT(apt, SizeIs(185));
  const std::vector<std::string> pip = {"six",    "idna",      "toml",      "attrs",    "certifi",
                                        "click",  "colorama",  "decorator", "filelock", "packaging",
                                        "pluggy", "pyparsing", "pytz",      "tabulate", "zipp"};
  const std::string id = fleet.CreateEnvironment({{"apt", apt}, {"pip", pip}}).id();
  int lines = 0;
  const v1::EnvironmentImage image =
      fleet.Watch(id, 0, [&lines](const v1::BuildLogLine&) { ++lines; });
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  EXPECT_GT(lines, 400) << "the whole log is told";
  const v1::Session session = fleet.Run(id);
  const ExecResult installed = fleet.Shell(
      session,
      "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' | awk '$1 == \"ii\" {print $2}'");
  const std::set<std::string> there = absl::StrSplit(installed.out, '\n');
  for (const std::string& package : apt) EXPECT_EQ(there.count(package), 1u) << package;
  EXPECT_EQ(fleet.Shell(session, "python3 -c 'import six, tabulate, zipp'").code, 0);
  // Once more, in the order of another list: nothing is built.
  std::reverse(apt.begin(), apt.end());
  const std::string again = fleet.CreateEnvironment({{"apt", apt}, {"pip", pip}}).id();
  EXPECT_EQ(fleet.Watch(again).digest(), image.digest());
  EXPECT_EQ(fleet.CountInLogs("msg=\"a layer is ready\""), 2);
  fleet.Clear();
}

// Packages of the registries that this machine reaches, through the control plane.
TEST(PackageImagesTest, CargoGoAndNpmFromTheirRegistries) {
  TestFleet fleet;
  fleet.Join(fleet.AddAgent({"--volumes_bytes=8589934592"}));
  const std::string id =
      fleet
          .CreateEnvironment({{"cargo", {"sd@1.0.0"}},
                              {"go", {"golang.org/x/tools/cmd/stringer@v0.24.0"}},
                              {"npm", {"is-number@7.0.0"}}})
          .id();
  const v1::EnvironmentImage image = fleet.Watch(id);
  ASSERT_EQ(image.state(), v1::IMAGE_STATE_READY) << image.ShortDebugString();
  const v1::Session session = fleet.Run(id);
  EXPECT_THAT(fleet.Shell(session, "sd --version").out, HasSubstr("1.0.0"));
  EXPECT_THAT(fleet.Shell(session, "stringer -help 2>&1").out, HasSubstr("Usage of stringer"));
  EXPECT_EQ(fleet.Shell(session, "node -e \"console.log(require('is-number')(5))\"").out, "true\n");
  fleet.Clear();
}

}  // namespace
}  // namespace paddock::testing
