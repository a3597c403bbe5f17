// What a package build costs beside the same commands by hand in a plain chroot, and what six
// layers cost the start of a session. Needs $PADDOCK_TEST_IMAGE; an agent of its own.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"
#include "tests/bench/report.h"
#include "tests/packages/test_agent.h"

namespace paddock::testing {
namespace {

constexpr int kRounds = 3;
constexpr int kStarts = 60;
constexpr double kBuildGoal = 1.15;
constexpr double kStartGoal = 1.10;
// One that compiles nothing and one with many files.
const std::vector<std::string>& AptPackages() {
  static const auto* const packages = new std::vector<std::string>{"build-essential"};
  return *packages;
}
const std::vector<std::string>& PipPackages() {
  static const auto* const packages = new std::vector<std::string>{"numpy", "requests"};
  return *packages;
}

absl::Duration Now() { return Clock::Real()->Monotonic(); }

// The base image as a directory, for chroot(8).
class PlainChroot {
 public:
  PlainChroot() {
    char name[] = "/var/tmp/paddock-chroot-XXXXXX";
    directory_ = mkdtemp(name);
    const char* image = getenv("PADDOCK_TEST_IMAGE");
    Host({"tar", "--extract", "--file", image == nullptr ? "" : image, "--directory", directory_,
          "--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner"});
    // What apt and Python open; the archive has no devices.
    for (const auto& [name, minor] : {std::pair("null", "3"), std::pair("zero", "5"),
                                      std::pair("random", "8"), std::pair("urandom", "9")}) {
      Host({"mknod", "-m", "666", absl::StrCat(directory_, "/dev/", name), "c", "1", minor});
    }
    Host({"cp", "-L", "/etc/resolv.conf", directory_ + "/etc/resolv.conf"});
    Host({"sh", "-c",
          "printf '#!/bin/sh\nexit 101\n' >$0/usr/sbin/policy-rc.d; chmod 755 "
          "$0/usr/sbin/policy-rc.d",
          directory_});
  }
  ~PlainChroot() { nodeagent::RemoveTree(directory_).IgnoreError(); }
  absl::Duration Run(const std::vector<std::string>& command) {
    std::vector<std::string> argv = {"chroot",
                                     directory_,
                                     "env",
                                     "HOME=/root",
                                     "DEBIAN_FRONTEND=noninteractive",
                                     "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"};
    argv.insert(argv.end(), command.begin(), command.end());
    const absl::Duration begun = Now();
    Host(argv);
    return Now() - begun;
  }

 private:
  static void Host(const std::vector<std::string>& argv) {
    nodeagent::SpawnSpec spec;
    spec.argv = argv;
    nodeagent::SubprocessOptions options;
    options.timeout = absl::Minutes(10);
    const auto done = nodeagent::RunChecked(spec, options);
    EXPECT_TRUE(done.ok()) << done.status();
  }
  std::string directory_;
};

std::vector<std::string> With(std::vector<std::string> command,
                              const std::vector<std::string>& more) {
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

TEST(PackageBench, BuildsBesideAPlainChroot) {
  TestAgent agent(0, {"--volumes_bytes=6442450944"});
  ASSERT_EQ(agent.Start(), "");
  bench::Report report;
  report.Section("Package builds");
  bench::Samples hand_apt, hand_pip, built_apt, built_pip;
  for (int round = 0; round < kRounds; ++round) {
    PlainChroot chroot;
    const absl::Duration update =
        chroot.Run({"apt-get", "update", "--option", "APT::Update::Error-Mode=any"});
    hand_apt.Add(update +
                 chroot.Run(With({"apt-get", "install", "--yes", "--no-install-recommends"},
                                 AptPackages())));
    hand_pip.Add(
        chroot.Run(With({"python3", "-m", "pip", "install", "--no-cache-dir"}, PipPackages())));
    const BuildResult apt = agent.Install("apt", AptPackages());
    ASSERT_TRUE(apt.ok()) << apt.Text();
    built_apt.Add(apt.took);
    const BuildResult pip = agent.Install("pip", PipPackages(), apt.built.digest());
    ASSERT_TRUE(pip.ok()) << pip.Text();
    built_pip.Add(pip.took);
  }
  report.Steps("packages", "apt by hand", hand_apt);
  report.Steps("packages", "apt layer", built_apt);
  report.Steps("packages", "pip by hand", hand_pip);
  report.Steps("packages", "pip layer", built_pip);
  report.Goal("apt layer / by hand, p50", built_apt.Percentile(50) / hand_apt.Percentile(50),
              kBuildGoal, "x");
  report.Goal("pip layer / by hand, p50", built_pip.Percentile(50) / hand_pip.Percentile(50),
              kBuildGoal, "x");

  std::string image;
  for (const char* package : {"six", "idna", "certifi", "toml", "attrs", "pytz"}) {
    const BuildResult layer = agent.Install("pip", {package}, image);
    ASSERT_TRUE(layer.ok()) << layer.Text();
    image = layer.built.digest();
  }
  bench::Samples base, layered;
  for (int start = 0; start < kStarts; ++start) {
    for (const std::string& from : {std::string(), image}) {
      const absl::Duration begun = Now();
      const std::string session = agent.StartSession(from);
      (from.empty() ? base : layered).Add(Now() - begun);
      ASSERT_TRUE(agent.StopSession(session).ok());
    }
  }
  report.Steps("packages", "start from the base image", base);
  report.Steps("packages", "start from six layers", layered);
  report.Goal("start from six layers / base, p50", layered.Percentile(50) / base.Percentile(50),
              kStartGoal, "x");
  EXPECT_EQ(report.missed(), 0);
}

}  // namespace
}  // namespace paddock::testing
