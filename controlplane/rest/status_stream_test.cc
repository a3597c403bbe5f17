#include "controlplane/rest/status_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/errors.h"

namespace paddock {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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

// Sessions of which only the events are asked for.
class FakeEvents final : public SessionOperations {
 public:
  absl::StatusOr<std::vector<SessionEvent>> Events(const Tenant&, const SessionId&,
                                                   int64_t after) override {
    if (!error.ok()) return error;
    return std::vector<SessionEvent>(events.begin() + after, events.end());
  }
  void Happen(SessionStatusKind status) {
    const auto number = static_cast<int64_t>(events.size()) + 1;
    events.push_back({number, status, absl::FromUnixSeconds(number)});
  }

  void Create(const Tenant&, CreateSessionRequest, CreateCallback) override {}
  void Archive(const Tenant&, const SessionId&, CreateCallback) override {}
  absl::StatusOr<Session> Get(const Tenant&, const SessionId&) override { return now; }
  absl::StatusOr<Page<Session>> List(const Tenant&, const ListSessionsRequest&) override {
    return unused;
  }
  absl::StatusOr<Session> Update(const Tenant&, const SessionId&, const SessionPatch&) override {
    return unused;
  }
  absl::Status Delete(const Tenant&, const SessionId&) override { return unused; }
  absl::StatusOr<SessionLocation> Locate(const Tenant&, const SessionId&) override {
    return unused;
  }
  absl::StatusOr<SessionLocation> LocateLast(const Tenant&, const SessionId&) override {
    return unused;
  }
  absl::StatusOr<std::unique_ptr<Subscription>> Watch(
      const Tenant&, const SessionId&, int64_t,
      std::function<void(absl::StatusOr<Session>)>) override {
    return unused;
  }

  std::vector<SessionEvent> events;
  absl::Status error;
  absl::StatusOr<Session> now = absl::UnimplementedError("not in this test");

 private:
  const absl::Status unused = absl::UnimplementedError("not in this test");
};

class StatusStreamTest : public ::testing::Test {
 protected:
  static Session SessionNow() {
    Session session;
    session.id = SessionId("sesn_1");
    return session;
  }
  FakeEvents sessions_;
  std::shared_ptr<RecordingSink> sink_ = std::make_shared<RecordingSink>();
  StatusStream stream_{&sessions_, Tenant(), SessionId("sesn_1"), "req_1", sink_};
};

TEST_F(StatusStreamTest, BeginsWithTheStatusNowAndTellsEachChangeOnce) {
  sessions_.Happen(SessionStatusKind::kIdle);
  sessions_.Happen(SessionStatusKind::kRescheduling);
  stream_.OnSession(SessionNow());
  EXPECT_THAT(sink_->sent,
              HasSubstr("event: session.status_rescheduled\ndata: {\"id\":\"sevt_1_2\""));
  EXPECT_THAT(sink_->sent, Not(HasSubstr("idle")));
  sink_->sent.clear();
  stream_.OnSession(SessionNow());
  EXPECT_EQ(sink_->sent, "") << "another revision, the same status";
  // Between two wakes.
  sessions_.Happen(SessionStatusKind::kIdle);
  sessions_.Happen(SessionStatusKind::kRescheduling);
  stream_.OnSession(SessionNow());
  EXPECT_THAT(sink_->sent, HasSubstr("sevt_1_3"));
  EXPECT_THAT(sink_->sent, HasSubstr("sevt_1_4"));
  EXPECT_EQ(sink_->ended, 0);
}

TEST_F(StatusStreamTest, EndsWithTheSession) {
  sessions_.Happen(SessionStatusKind::kIdle);
  stream_.OnSession(SessionNow());
  sessions_.Happen(SessionStatusKind::kTerminated);
  stream_.OnSession(SessionNow());
  EXPECT_THAT(sink_->sent, HasSubstr("event: session.status_terminated\n"));
  EXPECT_EQ(sink_->ended, 1);
}

TEST_F(StatusStreamTest, AFailedSessionSaysWhyBeforeItEnds) {
  sessions_.Happen(SessionStatusKind::kIdle);
  stream_.OnSession(SessionNow());
  sessions_.Happen(SessionStatusKind::kTerminated);
  // The watch is behind the events.
  Session failed = SessionNow();
  failed.state = SessionPhase::kTerminated;
  failed.reason = "IMAGE_BUILD_FAILED";
  failed.message = "pip \"x\"";
  sessions_.now = failed;
  sink_->sent.clear();
  stream_.OnSession(SessionNow());
  EXPECT_THAT(sink_->sent, StartsWith("event: session.error\ndata: {\"id\":\"sevt_1_2_error\""));
  EXPECT_THAT(sink_->sent, HasSubstr(R"("message":"IMAGE_BUILD_FAILED: pip \"x\"")"));
  EXPECT_THAT(sink_->sent, HasSubstr("event: session.status_terminated\n"));
  EXPECT_EQ(sink_->ended, 1);
}

TEST_F(StatusStreamTest, ADeletedSessionSaysSo) {
  stream_.OnSession(errors::SessionNotFound("sesn_1"));
  EXPECT_THAT(sink_->sent, HasSubstr("\"type\":\"session.deleted\""));
  EXPECT_EQ(sink_->ended, 1);
}

TEST_F(StatusStreamTest, AFailureIsAnEventThatRaises) {
  sessions_.error = errors::DatabaseUnavailable();
  stream_.OnSession(SessionNow());
  EXPECT_THAT(sink_->sent, HasSubstr("event: error\n"));
  EXPECT_THAT(sink_->sent, HasSubstr("\"request_id\":\"req_1\""));
  EXPECT_THAT(sink_->sent, HasSubstr("database_unavailable"));
  EXPECT_EQ(sink_->ended, 1);
}

}  // namespace
}  // namespace paddock
