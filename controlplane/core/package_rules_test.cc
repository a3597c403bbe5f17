#include "controlplane/core/package_rules.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::HasSubstr;

absl::Status Check(const Packages& packages) {
  Violations violations;
  CheckPackages("packages", packages, &violations);
  return violations.ToStatus();
}

TEST(PackageRulesTest, EachManagersOwnSyntaxIsFine) {
  Packages packages;
  packages.apt = {"jq=1.7*", "libssl-dev", "g++", "python3:amd64"};
  packages.cargo = {"ripgrep@14.0.0"};
  packages.gem = {"rails:7.1.0"};
  packages.go = {"golang.org/x/tools/cmd/goimports@latest"};
  packages.npm = {"express@4.18.0", "@angular/cli", "typescript@^5.0.0"};
  packages.pip = {"pandas==2.2.0",
                  "requests[socks]>=2",
                  "tomli;python_version<'3.11'",
                  "git+https://github.com/pallets/flask@3.0.0",
                  "name@https://files.example/pkg.whl",
                  std::string(256, 'x')};
  EXPECT_TRUE(Check(packages).ok()) << Check(packages);
  EXPECT_TRUE(Check(Packages()).ok());
}

TEST(PackageRulesTest, WhatCouldBeAnOptionOrASecretIsRefused) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "must not be empty"},
      {"-r/etc/passwd", "must not start with -"},
      {"--index-url=http://evil", "must not start with -"},
      {"a b", "white space"},
      {" a", "white space"},
      {"a\tb", "white space"},
      {"a\n--option", "white space"},
      {"a\u00a0b", "white space"},
      {"a\u2028b", "white space"},
      {"a\x01", "control characters"},
      {std::string("a\0b", 3), "control characters"},
      {"a\x7f", "control characters"},
      {"\xff\xfe", "valid UTF-8"},
      {std::string(257, 'x'), "1 to 256 characters"},
      {std::string(1 << 20, '/'), "1 to 256 characters"},
      {"git+https://user:token@github.com/a/b", "credentials"},
      {"https://token@host/x.whl", "credentials"},
      {"name@https://u:p@host/x.whl", "credentials"},
      {"https://a.example/x#https://u:p@b.example/", "credentials"},
      {"https://user@host", "credentials"},
  };
  for (const auto& [spec, rule] : cases) {
    Packages packages;
    packages.npm = {"fine", spec};
    const absl::Status status = Check(packages);
    ASSERT_FALSE(status.ok()) << spec.substr(0, 60);
    EXPECT_EQ(ViolationsOf(status).at(0).field, "packages.npm[1]");
    EXPECT_THAT(ViolationsOf(status).at(0).description, HasSubstr(rule)) << spec.substr(0, 60);
  }
}

TEST(PackageRulesTest, EveryManagerIsChecked) {
  Packages packages;
  for (auto* list : {&packages.apt, &packages.cargo, &packages.gem, &packages.go, &packages.npm,
                     &packages.pip}) {
    *list = {"-x"};
  }
  const auto violations = ViolationsOf(Check(packages));
  std::vector<std::string> fields;
  for (const auto& violation : violations) fields.push_back(violation.field);
  EXPECT_THAT(fields,
              testing::ElementsAre("packages.apt[0]", "packages.cargo[0]", "packages.gem[0]",
                                   "packages.go[0]", "packages.npm[0]", "packages.pip[0]"));
}

TEST(PackageRulesTest, AptIsNotAskedToRemoveOrToReadAFile) {
  for (const char* spec : {"jq-", "./x.deb", "/x.deb"}) {
    Packages packages;
    packages.apt = {spec};
    EXPECT_EQ(ViolationsOf(Check(packages)).size(), 1u) << spec;
    packages.apt.clear();
    packages.pip = {spec};
    EXPECT_TRUE(Check(packages).ok()) << spec;
  }
}

TEST(PackageRulesTest, AtMost500InAll) {
  Packages packages;
  packages.apt.assign(250, "a");
  packages.pip.assign(250, "b");
  EXPECT_TRUE(Check(packages).ok());
  packages.go = {"c"};
  EXPECT_EQ(Check(packages).message(), "packages: must have at most 500 packages in all, has 501");
}

TEST(PackageRulesTest, ManagersRunInAlphabeticalOrder) {
  std::vector<std::string> names;
  for (const auto& entry : SpecsByManager(Packages())) names.emplace_back(entry.manager);
  EXPECT_THAT(names, testing::ElementsAre("apt", "cargo", "gem", "go", "npm", "pip"));
}

}  // namespace
}  // namespace paddock
