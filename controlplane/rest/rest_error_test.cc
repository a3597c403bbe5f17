#include "controlplane/rest/rest_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"

namespace paddock {
namespace {

using nlohmann::json;

std::string Header(const HttpAnswer& answer, const std::string& name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(RestErrorTest, TheCatalogueDecidesAboutStatusTypeAndCode) {
  const HttpAnswer answer = ErrorAnswer(errors::EnvironmentArchived("env_1"), "req_1");
  EXPECT_EQ(answer.status, 400);
  const json body = json::parse(answer.body);
  EXPECT_EQ(body["type"], "error");
  EXPECT_EQ(body["request_id"], "req_1");
  EXPECT_EQ(body["error"]["type"], "invalid_request_error");
  EXPECT_EQ(body["error"]["details"]["error_code"], "environment_archived");
  EXPECT_EQ(Header(answer, "x-should-retry"), "false");
}

TEST(RestErrorTest, WhatHelpsLaterSaysWhen) {
  const HttpAnswer busy = ErrorAnswer(errors::Overloaded("it", absl::Milliseconds(1200)), "r");
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(Header(busy, "retry-after"), "2");
  EXPECT_EQ(Header(busy, "x-should-retry"), "");
  const HttpAnswer in_doubt = ErrorAnswer(errors::CommitInDoubt(), "r");
  EXPECT_EQ(in_doubt.status, 503);
  EXPECT_EQ(Header(in_doubt, "x-should-retry"), "false");
  EXPECT_EQ(Header(in_doubt, "retry-after"), "1");
}

TEST(RestErrorTest, FieldsHaveTheirRestNames) {
  const absl::Status status = errors::InvalidFields(
      {{"config.cloud.networking.limited.allowed_hosts[0]", "must be a bare host"},
       {"config.cloud.packages.pip[1]", "must not be empty"},
       {"agent.overrides.tools[0]", "must be an object"},
       {"page_size", "must be between 0 and 1000"},
       {"metadata[\"config.cloud.x\"]", "is wrong"}});
  const json error = json::parse(ErrorAnswer(status, "r").body)["error"];
  std::vector<std::string> fields;
  for (const json& field : error["details"]["fields"]) fields.push_back(field["field"]);
  EXPECT_THAT(fields,
              testing::ElementsAre("config.networking.allowed_hosts[0]", "config.packages.pip[1]",
                                   "agent.tools[0]", "limit", "metadata[\"config.cloud.x\"]"));
  EXPECT_THAT(error["message"].get<std::string>(),
              testing::StartsWith("config.networking.allowed_hosts[0]: must be a bare host; "));
}

TEST(RestErrorTest, InternalsAndBrokenTextStayInside) {
  const HttpAnswer hidden = ErrorAnswer(absl::InternalError("SELECT secret"), "r");
  EXPECT_EQ(hidden.status, 500);
  EXPECT_THAT(hidden.body, testing::Not(testing::HasSubstr("SELECT")));
  const HttpAnswer broken = ErrorAnswer(errors::MalformedRequest("a\xff"), "r");
  EXPECT_FALSE(json::parse(broken.body, nullptr, false).is_discarded());
}

}  // namespace
}  // namespace paddock
