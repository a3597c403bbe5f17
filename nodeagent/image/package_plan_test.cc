#include "nodeagent/image/package_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Pair;

PackagePlan Plan(const std::string& manager, std::vector<std::string> specs,
                 const std::string& ca_file = "") {
  const absl::StatusOr<PackagePlan> plan =
      PlanPackages({manager, /*toolchain=*/false, std::move(specs), ca_file});
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.value_or(PackagePlan());
}

// The commands that name a spec.
std::vector<PackageCommand> Naming(const PackagePlan& plan, const std::string& argument) {
  std::vector<PackageCommand> commands;
  for (const PackageCommand& command : plan.commands) {
    for (const std::string& given : command.argv) {
      if (given == argument) commands.push_back(command);
    }
  }
  return commands;
}

TEST(PackagePlanTest, AptReadsItsIndexFirstAndInstallsAllAtOnce) {
  const PackagePlan plan = Plan("apt", {"jq=1.7*", "tree"});
  ASSERT_GE(plan.commands.size(), 3u);
  EXPECT_THAT(plan.commands[1].argv, IsSupersetOf({"apt-get", "update"}));
  const auto install = Naming(plan, "jq=1.7*");
  ASSERT_EQ(install.size(), 1u);
  EXPECT_THAT(install[0].argv, IsSupersetOf({"apt-get", "install", "--yes", "--", "tree"}));
  EXPECT_THAT(install[0].env, Contains(Pair("DEBIAN_FRONTEND", "noninteractive")));
}

TEST(PackagePlanTest, ManagersOfOneAtATimeSayWhichPackageACommandIsAbout) {
  const PackagePlan cargo = Plan("cargo", {"ripgrep@14.0.0", "fd-find"});
  EXPECT_EQ(cargo.commands[0].argv.back(), "ripgrep@14.0.0");
  EXPECT_EQ(cargo.commands[0].package, "ripgrep@14.0.0");
  EXPECT_EQ(cargo.commands[1].package, "fd-find");
  EXPECT_THAT(cargo.commands[0].argv, IsSupersetOf({"cargo", "install", "--root", "/usr/local"}));
}

TEST(PackagePlanTest, GoTakesTheLatestUnlessAVersionIsGiven) {
  const PackagePlan plan = Plan("go", {"example.org/a/cmd/tool", "example.org/b@v1.2.3"});
  EXPECT_THAT(plan.commands[0].argv,
              ElementsAre("go", "install", "--", "example.org/a/cmd/tool@latest"));
  EXPECT_THAT(plan.commands[1].argv, ElementsAre("go", "install", "--", "example.org/b@v1.2.3"));
  EXPECT_THAT(plan.commands[0].env, Contains(Pair("GOBIN", "/usr/local/bin")));
}

TEST(PackagePlanTest, GemGetsNoDoubleDash) {
  const auto install = Naming(Plan("gem", {"rails:7.1.0", "rake"}), "rails:7.1.0");
  ASSERT_EQ(install.size(), 1u);
  EXPECT_THAT(install[0].argv, ElementsAre("gem", "install", "--no-document", "--bindir",
                                           "/usr/local/bin", "rails:7.1.0", "rake"));
}

TEST(PackagePlanTest, NpmModulesAreFoundByEveryProgram) {
  const PackagePlan plan = Plan("npm", {"express@4.18.0"});
  EXPECT_THAT(plan.environment, ElementsAre("NODE_PATH=/usr/local/lib/node_modules"));
  EXPECT_THAT(plan.commands[0].argv,
              IsSupersetOf({"npm", "install", "--global", "--prefix", "/usr/local", "--"}));
}

TEST(PackagePlanTest, PipInstallsInSpiteOfDebiansMarker) {
  const PackagePlan plan = Plan("pip", {"pandas[excel]==2.2.3;python_version>'3'"});
  EXPECT_EQ(plan.commands[0].argv.back(), "pandas[excel]==2.2.3;python_version>'3'");
  EXPECT_THAT(plan.commands[0].env, Contains(Pair("PIP_BREAK_SYSTEM_PACKAGES", "1")));
}

TEST(PackagePlanTest, TheImagesCertificatesAreTrusted) {
  const std::string ca = "/etc/ssl/bundle";
  EXPECT_THAT(Plan("cargo", {"a"}, ca).commands[0].env, Contains(Pair("CARGO_HTTP_CAINFO", ca)));
  EXPECT_THAT(Plan("npm", {"a"}, ca).commands[0].env, Contains(Pair("npm_config_cafile", ca)));
  EXPECT_THAT(Plan("pip", {"a"}, ca).commands[0].env, Contains(Pair("PIP_CERT", ca)));
}

TEST(PackagePlanTest, AToolchainComesFromApt) {
  for (const char* manager : {"cargo", "gem", "go", "npm", "pip"}) {
    const auto plan = PlanPackages({manager, /*toolchain=*/true, {}, ""});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_THAT(plan->commands[1].argv, IsSupersetOf({"apt-get", "update"})) << manager;
    EXPECT_EQ(plan->commands[2].package, manager);
  }
  EXPECT_FALSE(PlanPackages({"apt", /*toolchain=*/true, {}, ""}).ok());
  EXPECT_FALSE(PlanPackages({"npm", /*toolchain=*/true, {"left-pad"}, ""}).ok());
}

TEST(PackagePlanTest, SpecsCannotBecomeOptionsOrShell) {
  for (const char* manager : {"apt", "cargo", "gem", "go", "npm", "pip"}) {
    for (const char* bad : {"", "-o", "--index-url=x", "a b", "a\tb", "a\nb", "\x7f"}) {
      const absl::Status status = PlanPackages({manager, false, {bad}, ""}).status();
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << manager << " " << bad;
    }
    const std::string shell = "$(touch${IFS}/x);`id`|&";
    const PackagePlan plan = Plan(manager, {shell});
    for (const PackageCommand& command : plan.commands) {
      if (command.argv[0] != "/bin/sh") continue;
      EXPECT_THAT(command.argv[2], ::testing::Not(HasSubstr("touch")));
    }
  }
  EXPECT_FALSE(PlanPackages({"apt", false, {"bash-"}, ""}).ok());
  EXPECT_FALSE(PlanPackages({"apt", false, {"./evil.deb"}, ""}).ok());
  EXPECT_TRUE(PlanPackages({"apt", false, {"g++"}, ""}).ok());
}

TEST(PackagePlanTest, UnknownManagersAndEmptyListsAreRefused) {
  EXPECT_FALSE(PlanPackages({"yum", false, {"a"}, ""}).ok());
  EXPECT_FALSE(PlanPackages({"apt", false, {}, ""}).ok());
  EXPECT_FALSE(PlanPackages({"apt", false, std::vector<std::string>(501, "a"), ""}).ok());
}

TEST(PackagePlanTest, OnlyPipIsAskedWhetherAPackageFitsTheInterpreter) {
  EXPECT_EQ(FitsInterpreterCommand("pip", "pandas==2.2.0").back(), "pandas==2.2.0");
  EXPECT_THAT(FitsInterpreterCommand("apt", "jq"), IsEmpty());
  EXPECT_THAT(FitsInterpreterCommand("pip", ""), IsEmpty());
  EXPECT_THAT(FitsInterpreterCommand("pip", "/opt/project"), IsEmpty());
}

}  // namespace
}  // namespace paddock::nodeagent
