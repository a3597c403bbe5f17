#include "controlplane/rest/session_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error_details.h"
#include "controlplane/rest/json_body.h"
#include "controlplane/rest/status_stream.h"

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

// Keeps what it is sent.
class RecordingSink final : public EventSink {
 public:
  void Start(HttpAnswer) override {}
  void Send(std::string frames) override { sent += frames; }
  void End() override { ++ended; }
  void OnClosed(absl::AnyInvocable<void()>) override {}
  std::string sent;
  int ended = 0;
};

TEST(StatusStreamTest, TellsEachStatusOnceAndEndsWithTheSession) {
  auto sink = std::make_shared<RecordingSink>();
  Session session;
  session.id = SessionId("sesn_01m849fp34p1w81p4a4egzfqdh");
  StatusStream stream(session.id, sink);
  for (const SessionPhase phase :
       {SessionPhase::kStarting, SessionPhase::kRunning, SessionPhase::kRunning}) {
    session.state = phase;
    stream.OnSession(session);
  }
  EXPECT_THAT(sink->sent, testing::StartsWith("event: session.status_idle\ndata: {"));
  EXPECT_EQ(sink->sent.find("event:", 1), std::string::npos);
  EXPECT_EQ(sink->ended, 0);
  session.state = SessionPhase::kTerminated;
  stream.OnSession(session);
  EXPECT_THAT(sink->sent, HasSubstr("event: session.status_terminated\n"));
  EXPECT_EQ(sink->ended, 1);
}

TEST(StatusStreamTest, ASessionThatRunsAgainElsewhereIsIdleAnew) {
  auto sink = std::make_shared<RecordingSink>();
  Session session;
  session.id = SessionId("sesn_1");
  session.created_at = absl::FromUnixSeconds(0);
  session.updated_at = absl::FromUnixSeconds(86'400);
  session.generation = 1;
  StatusStream stream(session.id, sink);
  for (const SessionPhase phase :
       {SessionPhase::kRunning, SessionPhase::kRescheduling, SessionPhase::kStarting}) {
    session.state = phase;
    session.generation = phase == SessionPhase::kStarting ? 2 : 1;
    sink->sent.clear();
    stream.OnSession(session);
  }
  EXPECT_THAT(sink->sent, HasSubstr("event: session.status_idle"));
  EXPECT_THAT(sink->sent, HasSubstr("\"id\":\"sevt_1_0_2\""));
  EXPECT_THAT(sink->sent, HasSubstr("1970-01-02T00:00:00"));
}

TEST(StatusStreamTest, ADeletedSessionSaysSo) {
  auto sink = std::make_shared<RecordingSink>();
  StatusStream stream(SessionId("sesn_1"), sink);
  stream.OnSession(absl::NotFoundError("gone"));
  EXPECT_THAT(sink->sent, HasSubstr("\"type\":\"session.deleted\""));
  EXPECT_EQ(sink->ended, 1);
}

}  // namespace
}  // namespace paddock
