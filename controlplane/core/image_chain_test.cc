#include "controlplane/core/image_chain.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

BuildProfile Slim() {
  BuildProfile profile;
  profile.base_image = "sha256:base";
  profile.platform = "linux/amd64";
  profile.builder_version = "1";
  profile.managers = {"apt", "pip"};
  return profile;
}

TEST(ProfileOfTest, IsReadFromWhatTheNodeSays) {
  Node node;
  node.base_image = "sha256:base";
  EXPECT_FALSE(ProfileOf(node).has_value()) << "it names no managers";
  node.details = {{"managers", "apt, pip"}, {"platform", "linux/arm64"}, {"ca_bundle", "c"}};
  const auto profile = ProfileOf(node);
  ASSERT_TRUE(profile.has_value());
  EXPECT_EQ(profile->base_image, "sha256:base");
  EXPECT_EQ(profile->platform, "linux/arm64");
  EXPECT_EQ(profile->ca_bundle, "c");
  EXPECT_THAT(profile->managers, ElementsAre("apt", "pip"));
}

TEST(StepsOfTest, ManagersComeInAlphabeticalOrderAndMissingOnesFirst) {
  Packages packages;
  packages.pip = {"pandas"};
  packages.npm = {"express"};
  packages.cargo = {"ripgrep"};
  packages.apt = {"jq"};
  std::vector<std::string> steps;
  for (const ImageStep& step : StepsOf(packages, Slim(), 7)) {
    steps.push_back(step.manager + (step.toolchain ? "!" : ""));
    EXPECT_EQ(step.specs.empty(), step.toolchain);
    EXPECT_EQ(step.refresh_epoch, step.toolchain ? 0 : 7) << "toolchains are shared";
  }
  EXPECT_THAT(steps, ElementsAre("cargo!", "npm!", "apt", "cargo", "npm", "pip"));
  EXPECT_THAT(StepsOf(Packages(), Slim(), 0), IsEmpty());
}

TEST(StepsOfTest, SpecsAreSortedAndWithoutDuplicates) {
  Packages packages;
  packages.apt = {"jq", "ffmpeg", "jq"};
  EXPECT_THAT(StepsOf(packages, Slim(), 0)[0].specs, ElementsAre("ffmpeg", "jq"));
}

TEST(CacheKeyTest, EveryInputCounts) {
  const BuildProfile slim = Slim();
  const ImageStep step{"apt", false, {"jq"}, 0};
  std::set<std::string> keys = {CacheKey(slim, "sha256:base", step),
                                CacheKey(slim, "sha256:other", step)};
  for (auto change : {+[](BuildProfile* p) { p->platform = "linux/arm64"; },
                      +[](BuildProfile* p) { p->builder_version = "2"; },
                      +[](BuildProfile* p) { p->ca_bundle = "company"; }}) {
    BuildProfile changed = slim;
    change(&changed);
    keys.insert(CacheKey(changed, "sha256:base", step));
  }
  for (const ImageStep& other :
       {ImageStep{"pip", false, {"jq"}, 0}, ImageStep{"apt", true, {"jq"}, 0},
        ImageStep{"apt", false, {"jq", "x"}, 0}, ImageStep{"apt", false, {"jqx"}, 0},
        ImageStep{"apt", false, {"j", "q"}, 0}, ImageStep{"apt", false, {"jq"}, 1}}) {
    keys.insert(CacheKey(slim, "sha256:base", other));
  }
  EXPECT_EQ(keys.size(), 11u);
  EXPECT_EQ(CacheKey(slim, "sha256:base", step), CacheKey(Slim(), "sha256:base", step));
}

TEST(CacheKeyTest, WhatTheBaseHasBesidesIsNoPartOfIt) {
  BuildProfile more = Slim();
  more.managers.push_back("npm");
  const ImageStep step{"apt", false, {"jq"}, 0};
  EXPECT_EQ(CacheKey(more, "p", step), CacheKey(Slim(), "p", step));
}

TEST(AllowsHostsTest, OnlyALimitedPolicyRefuses) {
  NetworkPolicy policy;
  EXPECT_TRUE(AllowsHosts(policy, {"anything.example"}));
  policy.limited = true;
  EXPECT_TRUE(AllowsHosts(policy, {}));
  EXPECT_FALSE(AllowsHosts(policy, {"a.example"}));
  policy.hosts = {"a.example", "*.b.example"};
  EXPECT_TRUE(AllowsHosts(policy, {"a.example", "x.b.example", "x.y.b.example"}));
  EXPECT_FALSE(AllowsHosts(policy, {"a.example", "b.example"})) << "not the apex";
  EXPECT_FALSE(AllowsHosts(policy, {"xb.example"}));
  EXPECT_FALSE(AllowsHosts(policy, {".b.example"}));
}

TEST(HostsNamedByTest, FindsTheHostsOfUrls) {
  EXPECT_THAT(HostsNamedBy({"jq=1.7*", "rails:7.1.0", "example.org/x/tools@latest"}), IsEmpty());
  EXPECT_THAT(HostsNamedBy({"a@https://A.example/a.whl", "git+https://b.example:8443/b",
                            "https://a.example", "c@git+ssh://c.example?x#y"}),
              ElementsAre("a.example", "b.example", "c.example"));
  EXPECT_THAT(HostsNamedBy({"://", "https:///x"}), IsEmpty());
}

TEST(RestrictedCacheKeyTest, DependsOnTheHostsInAnyOrder) {
  NetworkPolicy one;
  one.limited = true;
  one.hosts = {"a", "b"};
  NetworkPolicy turned = one;
  turned.hosts = {"b", "a"};
  NetworkPolicy other = one;
  other.hosts = {"a"};
  EXPECT_EQ(RestrictedCacheKey("k", one), RestrictedCacheKey("k", turned));
  EXPECT_NE(RestrictedCacheKey("k", one), RestrictedCacheKey("k", other));
  EXPECT_NE(RestrictedCacheKey("k", one), "k");
}

TEST(BuildPolicyOfTest, ReachesWhatSessionsMayAndTheRegistries) {
  EXPECT_FALSE(BuildPolicyOf(CloudConfig()).limited);
  CloudConfig cloud;
  cloud.networking = LimitedNetwork{{"a.example"}, true, false};
  const NetworkPolicy policy = BuildPolicyOf(cloud);
  EXPECT_TRUE(policy.limited);
  EXPECT_TRUE(policy.allow_package_managers);
  EXPECT_THAT(policy.hosts, ElementsAre("a.example"));
}

}  // namespace
}  // namespace paddock
