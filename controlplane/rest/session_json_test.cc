#include "controlplane/rest/session_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error_details.h"
#include "controlplane/rest/json_body.h"

namespace paddock {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

absl::StatusOr<CreateSessionRequest> Create(const char* text) {
  return NewSessionRequest(*ParseJsonBody(text));
}

TEST(SessionJsonTest, AnAgentIsAnIdOrAnObject) {
  auto request = Create(R"({"agent": "agent_1", "environment_id": "env_1"})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->agent->id.value(), "agent_1");
  EXPECT_EQ(request->agent->version, 0);
  request =
      Create(R"({"environment_id": "e", "agent": {"type": "agent", "id": "a", "version": 3}})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->agent->version, 3);
  request = Create(R"({"environment_id": "e", "agent": {"type": "agent_with_overrides", "id": "a",
      "system": null, "tools": [], "model": "m"}})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->agent->overrides.system,
            std::optional<std::optional<std::string>>(std::optional<std::string>()));
  EXPECT_THAT(*request->agent->overrides.tools, SizeIs(0));
  EXPECT_EQ(request->agent->overrides.model, nlohmann::json("m"));
  EXPECT_FALSE(request->agent->overrides.mcp_servers.has_value());
}

TEST(SessionJsonTest, WhatIsMissingOrWrongIsNamed) {
  const absl::Status status = Create(R"({"agent": {"type": "agent", "id": "a", "version": 0,
      "system": "x"}, "titel": "t"})")
                                  .status();
  std::vector<std::string> fields;
  for (const FieldViolation& violation : ViolationsOf(status)) fields.push_back(violation.field);
  EXPECT_THAT(fields, ElementsAre("agent.version", "agent.system", "environment_id", "titel"));
  EXPECT_THAT(std::string(Create(R"({"environment_id": "e"})").status().message()),
              HasSubstr("agent: is required"));
}

TEST(SessionJsonTest, EmptyListsOfWhatIsntThereAskForNothing) {
  EXPECT_TRUE(Create(R"({"agent": "a", "environment_id": "e", "resources": [], "vault_ids": [],
                         "initial_events": [], "budget": null})")
                  .ok());
  EXPECT_EQ(
      ReasonOf(Create(R"({"agent": "a", "environment_id": "e", "vault_ids": ["v"]})").status()),
      ErrorReason::kFieldNotSupported);
}

TEST(SessionJsonTest, BoundsOfCreationAreExact) {
  const auto list = ReadSessionList(
      *Target::Parse("/v1/sessions?created_at[gte]=2026-01-01T00:00:00Z&"
                     "created_at[gt]=2025-01-01T00:00:00Z&created_at[lte]=2026-01-02T00:00:00Z"));
  ASSERT_TRUE(list.ok()) << list.status();
  const absl::Time day = absl::FromCivil(absl::CivilDay(2026, 1, 1), absl::UTCTimeZone());
  EXPECT_EQ(list->request.filter.created_after, day - absl::Microseconds(1));
  EXPECT_EQ(list->request.filter.created_before, day + absl::Hours(24) + absl::Microseconds(1));
}

}  // namespace
}  // namespace paddock
