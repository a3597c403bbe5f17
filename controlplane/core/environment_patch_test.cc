#include "controlplane/core/environment_patch.h"

#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paddock {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Strings = std::vector<std::string>;

Environment Stored() {
  Environment environment;
  environment.id = EnvironmentId("env_1");
  environment.name = "stored";
  environment.description = "text";
  environment.metadata = {{"k", "v"}};
  CloudConfig cloud;
  cloud.packages.apt = {"jq"};
  cloud.packages.pip = {"pandas"};
  cloud.networking = LimitedNetwork{{"a.com"}, true, true};
  environment.config = cloud;
  environment.image.state = ImageState::kReady;
  environment.image.digest = "sha256:built";
  environment.revision = 7;
  return environment;
}

Environment SelfHosted() {
  Environment environment = Stored();
  environment.config = SelfHostedConfig{};
  return environment;
}

EnvironmentPatch CloudPatchOf(CloudPatch cloud) {
  EnvironmentPatch patch;
  patch.config.kind = ConfigPatch::Kind::kCloud;
  patch.config.cloud = std::move(cloud);
  return patch;
}

CloudPatch Limited(LimitedPatch limited) {
  CloudPatch cloud;
  cloud.networking.kind = NetworkingPatch::Kind::kLimited;
  cloud.networking.limited = std::move(limited);
  return cloud;
}

const CloudConfig& CloudOf(const Environment& environment) {
  return std::get<CloudConfig>(environment.config);
}

const LimitedNetwork& LimitedOf(const Environment& environment) {
  return std::get<LimitedNetwork>(CloudOf(environment).networking);
}

TEST(EnvironmentPatchTest, ADefaultPatchChangesNothing) {
  auto result = ApplyEnvironmentPatch({}, Stored());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(SameContent(*result, Stored()));
  EXPECT_EQ(result->image.digest, "sha256:built");
  EXPECT_EQ(result->revision, 7);
}

TEST(EnvironmentPatchTest, FieldsAreSetAndCleared) {
  EnvironmentPatch patch;
  patch.name = Change<std::string>::Set("new");
  patch.description = Change<std::string>::Clear();
  patch.metadata.entries = {{"k", ""}, {"n", "1"}};
  auto result = ApplyEnvironmentPatch(patch, Stored());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->name, "new");
  EXPECT_EQ(result->description, std::nullopt);
  EXPECT_EQ(result->metadata, (Metadata{{"n", "1"}}));
  EXPECT_EQ(result->config, Stored().config);
  EXPECT_FALSE(SameContent(*result, Stored()));

  patch.description = Change<std::string>::Set("");
  EXPECT_EQ(ApplyEnvironmentPatch(patch, Stored())->description, "");
}

TEST(EnvironmentPatchTest, ANameCannotBeClearedOrEmptied) {
  EnvironmentPatch patch;
  patch.name = Change<std::string>::Clear();
  EXPECT_EQ(ApplyEnvironmentPatch(patch, Stored()).status().message(), "name: can't be cleared");
  EXPECT_EQ(CheckEnvironmentPatch(patch).message(), "name: can't be cleared");
  patch.name = Change<std::string>::Set("");
  EXPECT_FALSE(ApplyEnvironmentPatch(patch, Stored()).ok());
  EXPECT_FALSE(CheckEnvironmentPatch(patch).ok());
}

TEST(EnvironmentPatchTest, OneManagersListLeavesTheOthers) {
  CloudPatch cloud;
  cloud.packages.pip = Change<Strings>::Set({"numpy"});
  auto result = ApplyEnvironmentPatch(CloudPatchOf(cloud), Stored());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(CloudOf(*result).packages.apt, ElementsAre("jq"));
  EXPECT_THAT(CloudOf(*result).packages.pip, ElementsAre("numpy"));
  EXPECT_EQ(CloudOf(*result).networking, CloudOf(Stored()).networking);
}

TEST(EnvironmentPatchTest, ChangedPackagesStartTheImageAnew) {
  CloudPatch cloud;
  cloud.packages.pip = Change<Strings>::Set({"numpy"});
  auto result = ApplyEnvironmentPatch(CloudPatchOf(cloud), Stored());
  EXPECT_EQ(result->image.state, ImageState::kPending);
  EXPECT_EQ(result->image.digest, "");
  cloud.packages.pip = Change<Strings>::Clear();
  cloud.packages.apt = Change<Strings>::Set({});
  result = ApplyEnvironmentPatch(CloudPatchOf(cloud), Stored());
  EXPECT_TRUE(CloudOf(*result).packages.empty());
  EXPECT_EQ(result->image.state, ImageState::kReady);
  cloud.packages.pip = Change<Strings>::Set({"pandas"});
  cloud.packages.apt = Change<Strings>::Set({"jq"});
  result = ApplyEnvironmentPatch(CloudPatchOf(cloud), Stored());
  EXPECT_EQ(result->image.digest, "sha256:built") << "the same packages keep it";
}

TEST(EnvironmentPatchTest, ChangedNetworkingKeepsTheImage) {
  auto result = ApplyEnvironmentPatch(
      CloudPatchOf(Limited({Change<Strings>::Set({"b.com"}), {}, {}})), Stored());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->image.digest, "sha256:built");
}

TEST(EnvironmentPatchTest, FieldsOfLimitedAreKeptSetAndCleared) {
  auto result = ApplyEnvironmentPatch(
      CloudPatchOf(Limited({Change<Strings>::Set({"B.com", "b.com"}), {}, {}})), Stored());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(LimitedOf(*result), (LimitedNetwork{{"b.com"}, true, true}));

  result =
      ApplyEnvironmentPatch(CloudPatchOf(Limited({{}, Change<bool>::Set(false), {}})), Stored());
  EXPECT_EQ(LimitedOf(*result), (LimitedNetwork{{"a.com"}, false, true}));

  result = ApplyEnvironmentPatch(
      CloudPatchOf(Limited({Change<Strings>::Clear(), Change<bool>::Clear(), {}})), Stored());
  EXPECT_EQ(LimitedOf(*result), (LimitedNetwork{{}, false, true}));
}

TEST(EnvironmentPatchTest, LimitedOnUnrestrictedStartsWithoutPermissions) {
  Environment environment = Stored();
  environment.config = CloudConfig{};
  auto result = ApplyEnvironmentPatch(CloudPatchOf(Limited({})), environment);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(LimitedOf(*result), LimitedNetwork{});
}

TEST(EnvironmentPatchTest, UnrestrictedAndNullOpenTheNetwork) {
  for (auto kind : {NetworkingPatch::Kind::kUnrestricted, NetworkingPatch::Kind::kClear}) {
    CloudPatch cloud;
    cloud.networking.kind = kind;
    auto result = ApplyEnvironmentPatch(CloudPatchOf(cloud), Stored());
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(CloudOf(*result).networking, Networking(UnrestrictedNetwork{}));
    EXPECT_THAT(CloudOf(*result).packages.apt, ElementsAre("jq"));
  }
}

TEST(EnvironmentPatchTest, TheTypeOfAConfigCannotChange) {
  EnvironmentPatch to_self_hosted;
  to_self_hosted.config.kind = ConfigPatch::Kind::kSelfHosted;
  auto refused = ApplyEnvironmentPatch(to_self_hosted, Stored());
  EXPECT_EQ(ReasonOf(refused.status()), ErrorReason::kInvalidConfigTypeChange);
  EXPECT_EQ(ViolationsOf(refused.status()).at(0).field, "config");
  refused = ApplyEnvironmentPatch(CloudPatchOf({}), SelfHosted());
  EXPECT_EQ(ReasonOf(refused.status()), ErrorReason::kInvalidConfigTypeChange);
  EXPECT_TRUE(ApplyEnvironmentPatch(to_self_hosted, SelfHosted()).ok());
}

TEST(EnvironmentPatchTest, AClearedConfigIsTheDefaultOfItsType) {
  EnvironmentPatch patch;
  patch.config.kind = ConfigPatch::Kind::kClear;
  auto result = ApplyEnvironmentPatch(patch, Stored());
  EXPECT_EQ(result->config, EnvironmentConfig(CloudConfig{}));
  EXPECT_EQ(result->image.state, ImageState::kReady);
  result = ApplyEnvironmentPatch(patch, SelfHosted());
  EXPECT_EQ(result->config, EnvironmentConfig(SelfHostedConfig{}));
}

TEST(EnvironmentPatchTest, ReplacePatchesLeadExactlyToTheirValue) {
  CloudConfig wanted;
  wanted.packages.npm = {"express"};
  EnvironmentPatch patch;
  patch.config = ReplaceConfig(wanted);
  EXPECT_EQ(ApplyEnvironmentPatch(patch, Stored())->config, EnvironmentConfig(wanted));
  wanted.networking = LimitedNetwork{{"x.org"}, false, true};
  patch.config = ReplaceConfig(wanted);
  EXPECT_EQ(ApplyEnvironmentPatch(patch, Stored())->config, EnvironmentConfig(wanted));
  patch.config = ReplaceConfig(SelfHostedConfig{});
  EXPECT_EQ(patch.config.kind, ConfigPatch::Kind::kSelfHosted);
}

TEST(EnvironmentPatchTest, LimitedWithPackagesNeedsThePermissionHoweverItComesAbout) {
  // Taking the permission away from stored packages.
  auto refused =
      ApplyEnvironmentPatch(CloudPatchOf(Limited({{}, {}, Change<bool>::Set(false)})), Stored());
  EXPECT_EQ(ViolationsOf(refused.status()).at(0).field,
            "config.cloud.networking.limited.allow_package_managers");
  // Adding packages to a stored network without it.
  Environment environment = Stored();
  environment.config = CloudConfig{{}, LimitedNetwork{{"a.com"}, false, false}};
  CloudPatch cloud;
  cloud.packages.go = Change<Strings>::Set({"example.com/x@latest"});
  EXPECT_FALSE(ApplyEnvironmentPatch(CloudPatchOf(cloud), environment).ok());
  EXPECT_TRUE(CheckEnvironmentPatch(CloudPatchOf(cloud)).ok()) << "fine on other environments";
  // Limiting the network of stored packages.
  environment.config = CloudConfig{{{"jq"}, {}, {}, {}, {}, {}}, UnrestrictedNetwork{}};
  EXPECT_FALSE(ApplyEnvironmentPatch(CloudPatchOf(Limited({})), environment).ok());
  // Both at once, with it.
  cloud = Limited({{}, {}, Change<bool>::Set(true)});
  cloud.packages.go = Change<Strings>::Set({"example.com/x@latest"});
  EXPECT_TRUE(ApplyEnvironmentPatch(CloudPatchOf(cloud), environment).ok());
  // Both at once, expressly without it: no environment could take that.
  cloud.networking.limited.allow_package_managers = Change<bool>::Set(false);
  EXPECT_FALSE(CheckEnvironmentPatch(CloudPatchOf(cloud)).ok());
}

TEST(EnvironmentPatchTest, AllViolationsComeAtOnce) {
  EnvironmentPatch patch = CloudPatchOf(Limited({Change<Strings>::Set({"*", "b.com/x"}), {}, {}}));
  patch.name = Change<std::string>::Set("");
  patch.description = Change<std::string>::Set(std::string(5000, 'x'));
  patch.metadata.entries = {{std::string(65, 'k'), "v"}};
  patch.config.cloud.packages.pip = Change<Strings>::Set({"ok", "-bad"});
  for (const absl::Status& status :
       {ApplyEnvironmentPatch(patch, Stored()).status(), NewEnvironment(patch).status()}) {
    std::vector<std::string> fields;
    for (const auto& violation : ViolationsOf(status)) fields.push_back(violation.field);
    EXPECT_THAT(fields,
                testing::IsSupersetOf({"name", "description", "config.cloud.packages.pip[1]",
                                       "config.cloud.networking.limited.allowed_hosts[0]",
                                       "config.cloud.networking.limited.allowed_hosts[1]"}));
  }
}

TEST(EnvironmentPatchTest, AStoredCanonicalEnvironmentStaysValid) {
  Environment environment = Stored();
  environment.config = CloudConfig{{}, LimitedNetwork{{"xn--bcher-kva.example"}, false, false}};
  EnvironmentPatch patch;
  patch.description = Change<std::string>::Set("x");
  auto result = ApplyEnvironmentPatch(patch, environment);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->config, environment.config);
}

TEST(NewEnvironmentTest, DefaultsAreCloudUnrestrictedReady) {
  EnvironmentPatch patch;
  patch.name = Change<std::string>::Set("new");
  auto environment = NewEnvironment(patch);
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_EQ(environment->config, EnvironmentConfig(CloudConfig{}));
  EXPECT_EQ(environment->image.state, ImageState::kReady);
  EXPECT_EQ(environment->description, std::nullopt);
  EXPECT_THAT(environment->metadata, IsEmpty());
}

TEST(NewEnvironmentTest, ANameIsRequired) {
  EXPECT_EQ(NewEnvironment({}).status().message(), "name: is required: 1 to 256 characters");
  EnvironmentPatch null_name;
  null_name.name = Change<std::string>::Clear();
  EXPECT_EQ(NewEnvironment(null_name).status().message(), "name: is required: 1 to 256 characters");
}

TEST(NewEnvironmentTest, TypesNetworksAndPackagesAreTakenAsGiven) {
  EnvironmentPatch patch;
  patch.name = Change<std::string>::Set("new");
  patch.metadata.entries = {{"empty", ""}};
  patch.config.kind = ConfigPatch::Kind::kSelfHosted;
  auto environment = NewEnvironment(patch);
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_EQ(environment->config, EnvironmentConfig(SelfHostedConfig{}));
  EXPECT_EQ(environment->image.state, ImageState::kReady);
  EXPECT_EQ(environment->metadata, (Metadata{{"empty", ""}})) << "a create deletes nothing";

  patch.config.kind = ConfigPatch::Kind::kCloud;
  patch.config.cloud = Limited({{}, {}, Change<bool>::Set(true)});
  patch.config.cloud.packages.apt = Change<Strings>::Set({"ffmpeg"});
  environment = NewEnvironment(patch);
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_EQ(environment->image.state, ImageState::kPending);
  EXPECT_EQ(LimitedOf(*environment), (LimitedNetwork{{}, false, true}));
}

TEST(NewEnvironmentTest, AMetadataBombIsRefusedCheaply) {
  EnvironmentPatch patch;
  patch.name = Change<std::string>::Set("bomb");
  for (int i = 0; i < 100'000; ++i) patch.metadata.entries[absl::StrCat("k", i)] = "v";
  EXPECT_EQ(ReasonOf(NewEnvironment(patch).status()), ErrorReason::kInvalidMetadata);
  EXPECT_EQ(ReasonOf(CheckEnvironmentPatch(patch)), ErrorReason::kInvalidMetadata);
}

}  // namespace
}  // namespace paddock
