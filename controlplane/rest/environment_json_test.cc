#include "controlplane/rest/environment_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error_details.h"
#include "controlplane/rest/json_body.h"

namespace paddock {
namespace {

using nlohmann::json;
using Kind = NetworkingPatch::Kind;
using ::testing::ElementsAre;
using ::testing::Pair;

EnvironmentPatch Update(const char* text) {
  const auto patch = UpdateEnvironmentPatch(*ParseJsonBody(text));
  EXPECT_TRUE(patch.ok()) << patch.status();
  return patch.value_or(EnvironmentPatch());
}

std::vector<std::string> WrongFields(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : ViolationsOf(status)) fields.push_back(violation.field);
  return fields;
}

TEST(EnvironmentJsonTest, AbsentKeepsNullClearsAndAValueSets) {
  EnvironmentPatch patch = Update("{}");
  EXPECT_TRUE(patch.name.keeps());
  EXPECT_TRUE(patch.description.keeps());
  EXPECT_TRUE(patch.metadata.entries.empty());
  EXPECT_FALSE(patch.metadata.replace);
  EXPECT_EQ(patch.config.kind, ConfigPatch::Kind::kKeep);

  patch = Update(R"({"name": null, "description": "", "config": null, "scope": null})");
  EXPECT_TRUE(patch.name.clears());
  EXPECT_EQ(patch.description.value(), "");
  EXPECT_EQ(patch.config.kind, ConfigPatch::Kind::kClear);

  patch = Update(R"({"metadata": {"a": "1", "b": null, "c": ""}})");
  EXPECT_THAT(patch.metadata.entries,
              ElementsAre(Pair("a", std::optional<std::string>("1")), Pair("b", std::nullopt),
                          Pair("c", std::optional<std::string>(""))));
}

TEST(EnvironmentJsonTest, EachPartOfACloudConfigStandsForItself) {
  CloudPatch cloud = Update(R"({"config": {"type": "cloud"}})").config.cloud;
  EXPECT_EQ(cloud.networking.kind, Kind::kKeep);
  EXPECT_TRUE(cloud.packages.pip.keeps());

  cloud = Update(R"({"config": {"type": "cloud", "packages": {"pip": ["a"], "npm": null}}})")
              .config.cloud;
  EXPECT_THAT(cloud.packages.pip.value(), ElementsAre("a"));
  EXPECT_TRUE(cloud.packages.npm.clears());
  EXPECT_TRUE(cloud.packages.apt.keeps());

  cloud =
      Update(R"({"config": {"type": "cloud", "packages": null, "networking": null}})").config.cloud;
  EXPECT_TRUE(cloud.packages.apt.sets());
  EXPECT_TRUE(cloud.packages.apt.value().empty());
  EXPECT_EQ(cloud.networking.kind, Kind::kClear);

  const LimitedPatch limited = Update(R"({"config": {"type": "cloud", "networking":
                 {"type": "limited", "allow_mcp_servers": true, "allowed_hosts": null}}})")
                                   .config.cloud.networking.limited;
  EXPECT_TRUE(limited.allowed_hosts.clears());
  EXPECT_TRUE(limited.allow_mcp_servers.value());
  EXPECT_TRUE(limited.allow_package_managers.keeps());
}

TEST(EnvironmentJsonTest, EveryFaultIsNamed) {
  const absl::Status status =
      NewEnvironmentPatch(*ParseJsonBody(R"({"name": [], "x y": 1, "metadata": {"k": null},
          "config": {"type": "cloud", "packages": {"pip": "a", "cargoes": []},
                     "networking": {"type": "limited", "allow_mcp_servers": "yes"}}})"))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(WrongFields(status),
              ElementsAre("name", "config.packages.pip", "config.packages.cargoes",
                          "config.networking.allow_mcp_servers", "metadata[\"k\"]", "[\"x y\"]"));
}

TEST(EnvironmentJsonTest, AnAnswerCanBeSentBackAsAnUpdate) {
  Environment environment;
  environment.id = EnvironmentId("env_1");
  environment.name = "e";
  environment.metadata = {{"k", "v"}};
  environment.config = CloudConfig{{{}, {}, {}, {}, {}, {"pandas==2"}},
                                   LimitedNetwork{{"a.example.com"}, true, true}};
  const json answer = json::parse(ToJson(environment).dump());
  EXPECT_TRUE(answer.at("description").is_null());
  json body;
  for (const char* member : {"name", "description", "metadata", "config", "scope"}) {
    body[member] = answer[member];
  }
  const auto patch = UpdateEnvironmentPatch(body);
  ASSERT_TRUE(patch.ok()) << patch.status();
  const auto applied = ApplyEnvironmentPatch(*patch, environment);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(SameContent(*applied, environment));
}

}  // namespace
}  // namespace paddock
