#include "controlplane/api/environment_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error_details.h"
#include "google/protobuf/text_format.h"

namespace paddock {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::UpdateEnvironmentRequest Update(const std::string& text) {
  v1::UpdateEnvironmentRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

// What `update` makes of an environment with packages and a limited network.
absl::StatusOr<Environment> Apply(const std::string& update) {
  Environment environment;
  environment.name = "old";
  environment.description = "old description";
  environment.metadata = {{"a", "1"}, {"b", "2"}};
  CloudConfig cloud;
  cloud.packages.pip = {"pandas"};
  cloud.packages.npm = {"express"};
  LimitedNetwork limited;
  limited.allowed_hosts = {"example.com"};
  limited.allow_mcp_servers = true;
  limited.allow_package_managers = true;
  cloud.networking = limited;
  environment.config = cloud;
  auto patch = PatchOf(Update(update));
  if (!patch.ok()) return patch.status();
  return ApplyEnvironmentPatch(*patch, environment);
}

const CloudConfig& Cloud(const Environment& environment) {
  return std::get<CloudConfig>(environment.config);
}
const LimitedNetwork& Limited(const Environment& environment) {
  return std::get<LimitedNetwork>(Cloud(environment).networking);
}

TEST(EnvironmentMaskTest, WithoutAMaskWhatIsSetIsAppliedAndTheRestKept) {
  const auto result = Apply(R"(
    name: "new"
    metadata { key: "a" value: "" }
    metadata { key: "c" value: "3" }
    config { cloud { packages { pip: "numpy" }
                     networking { limited { allow_mcp_servers: false } } } })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->name, "new");
  EXPECT_EQ(result->description, "old description");
  EXPECT_EQ(result->metadata, (Metadata{{"b", "2"}, {"c", "3"}}));
  EXPECT_THAT(Cloud(*result).packages.pip, ElementsAre("numpy"));
  EXPECT_THAT(Cloud(*result).packages.npm, ElementsAre("express"));
  EXPECT_THAT(Limited(*result).allowed_hosts, ElementsAre("example.com"));
  EXPECT_FALSE(Limited(*result).allow_mcp_servers);
  EXPECT_TRUE(Limited(*result).allow_package_managers);
}

TEST(EnvironmentMaskTest, WithAMaskOnlyTheNamedPathsAreApplied) {
  const auto result = Apply(R"(
    name: "ignored"
    config { cloud { networking { limited { allowed_hosts: "*.example.org" } } } }
    update_mask { paths: "config.cloud.networking.limited.allowed_hosts" })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->name, "old");
  EXPECT_THAT(Limited(*result).allowed_hosts, ElementsAre("*.example.org"));
  EXPECT_TRUE(Limited(*result).allow_mcp_servers);
  EXPECT_THAT(Cloud(*result).packages.pip, ElementsAre("pandas"));
}

TEST(EnvironmentMaskTest, ANamedPathThatIsAbsentIsCleared) {
  const auto result = Apply(R"(
    update_mask { paths: "description" paths: "metadata" paths: "config.cloud.packages.pip" })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->description, std::nullopt);
  EXPECT_THAT(result->metadata, IsEmpty());
  EXPECT_THAT(Cloud(*result).packages.pip, IsEmpty());
  EXPECT_THAT(Cloud(*result).packages.npm, ElementsAre("express"));
}

TEST(EnvironmentMaskTest, ANamedParentReplacesEverythingBelowIt) {
  const auto result = Apply(R"(
    config { cloud { packages { apt: "jq" } } }
    update_mask { paths: "config.cloud.packages" })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Cloud(*result).packages.apt, ElementsAre("jq"));
  EXPECT_THAT(Cloud(*result).packages.pip, IsEmpty());
  EXPECT_TRUE(Limited(*result).allow_package_managers);
}

TEST(EnvironmentMaskTest, NamingTheLimitedNetworkEmptyNeverOpensIt) {
  const auto result = Apply(R"(
    update_mask { paths: "config.cloud.networking.limited" paths: "config.cloud.packages" })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Limited(*result).allowed_hosts, IsEmpty());
  EXPECT_FALSE(Limited(*result).allow_mcp_servers);
}

TEST(EnvironmentMaskTest, TheNetworkCanBeOpenedByName) {
  const auto result = Apply(R"(
    config { cloud { networking { unrestricted {} } } }
    update_mask { paths: "config.cloud.networking" })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(std::holds_alternative<UnrestrictedNetwork>(Cloud(*result).networking));
}

TEST(EnvironmentMaskTest, AStarReplacesEverything) {
  const auto result = Apply(R"(
    name: "new"
    config { cloud { packages { pip: "numpy" }
                     networking { limited { allowed_hosts: "a.example"
                                            allow_package_managers: true } } } }
    update_mask { paths: "*" })");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->name, "new");
  EXPECT_EQ(result->description, std::nullopt);
  EXPECT_THAT(result->metadata, IsEmpty());
  EXPECT_THAT(Cloud(*result).packages.pip, ElementsAre("numpy"));
  EXPECT_THAT(Cloud(*result).packages.npm, IsEmpty());
  EXPECT_THAT(Limited(*result).allowed_hosts, ElementsAre("a.example"));
  EXPECT_FALSE(Limited(*result).allow_mcp_servers);
}

TEST(EnvironmentMaskTest, AStarStandsAlone) {
  const auto result = Apply(R"(name: "new" update_mask { paths: "*" paths: "name" })");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(ViolationsOf(result.status()).at(0).field, "update_mask");
}

TEST(EnvironmentMaskTest, UnknownPathsAreNamed) {
  for (const char* path : {"nmae", "config.cloud.packages.conda", "id", "*.a", "metadata.a", ""}) {
    v1::UpdateEnvironmentRequest request;
    request.mutable_update_mask()->add_paths(path);
    const absl::Status status = PatchOf(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    ASSERT_EQ(ViolationsOf(status).size(), 1u);
    EXPECT_EQ(ViolationsOf(status)[0].field, "update_mask");
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

TEST(EnvironmentMaskTest, PathsThatContradictEachOtherAreRefused) {
  EXPECT_FALSE(Apply(R"(update_mask { paths: "config.cloud" paths: "config.self_hosted" })").ok());
  EXPECT_FALSE(Apply(R"(update_mask { paths: "config.cloud.networking.unrestricted"
                                      paths: "config.cloud.networking.limited" })")
                   .ok());
}

TEST(EnvironmentConvertTest, TheEffectiveConfigIsAnswered) {
  v1::CreateEnvironmentRequest request;
  request.set_name("e");
  const auto environment = NewEnvironment(PatchOf(request));
  ASSERT_TRUE(environment.ok()) << environment.status();
  const v1::Environment proto = ToProto(*environment);
  EXPECT_TRUE(proto.config().cloud().networking().has_unrestricted());
  EXPECT_EQ(proto.image().state(), v1::IMAGE_STATE_READY);
  EXPECT_FALSE(proto.has_archived_at());
}

TEST(EnvironmentConvertTest, ALimitedNetworkSurvivesTheWayThereAndBack) {
  LimitedNetwork limited;
  limited.allowed_hosts = {"a.example", "*.b.example"};
  limited.allow_mcp_servers = true;
  const EnvironmentConfig config = CloudConfig{{}, limited};
  v1::CreateEnvironmentRequest request;
  request.set_name("e");
  *request.mutable_config() = ToProto(config);
  const auto environment = NewEnvironment(PatchOf(request));
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_TRUE(environment->config == config);
}

}  // namespace
}  // namespace paddock
