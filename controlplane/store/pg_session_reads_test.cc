#include <thread>

#include "controlplane/store/pg_session_store.h"
#include "tests/integration/store_fixture.h"

namespace paddock {
namespace {

// What is read, repeated and described; pg_session_store_test.cc has what moves sessions.
class SessionReadsTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    environment_ = MakeEnvironment("env");
    node_ = MakeNode("node-1");
  }

  SessionStore& sessions() { return *stores().sessions; }

  Environment environment_;
  NodeRegistration node_;
};

TEST_F(SessionReadsTest, RepeatedCreatesAnswerTheFirstResult) {
  const Idempotency idempotency{"request-1", "hash"};
  const auto first = sessions().Create(NewSessionOf(environment_, {node_.id}), idempotency);
  ASSERT_TRUE(first.ok());
  const auto second = sessions().Create(NewSessionOf(environment_, {node_.id}), idempotency);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->replayed);
  EXPECT_FALSE(second->run.has_value());
  EXPECT_EQ(second->session.id, first->session.id);
  EXPECT_EQ(GetNode(node_.id).used.sessions, 1);
  EXPECT_EQ(sessions()
                .Create(NewSessionOf(environment_, {node_.id}), {"request-1", "other"})
                .status()
                .code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(SessionReadsTest, ARepeatedCreateAnswersWhatWasStoredFirstInTheStateOfNow) {
  const Idempotency idempotency{"request-2", "hash"};
  NewSession request = NewSessionOf(environment_, {node_.id});
  request.session.title = "first";
  request.session.metadata = {{"k", "first"}};
  const auto created = sessions().Create(request, idempotency);
  ASSERT_TRUE(created.ok()) << created.status();
  const SessionId id = created->session.id;
  for (const char* title : {"second", "third"}) {
    ASSERT_TRUE(sessions()
                    .Mutate(tenant_, id,
                            [title](const Session& stored, bool*) -> absl::StatusOr<Session> {
                              Session next = stored;
                              next.title = title;
                              next.metadata = {{"k", title}};
                              return next;
                            })
                    .ok());
  }
  SessionTransition running;
  running.id = id;
  running.generation = 1;
  ASSERT_TRUE(sessions().Apply({running}).ok());
  auto replay = sessions().FindCreated(tenant_, idempotency);
  ASSERT_TRUE(replay.ok() && replay->has_value()) << replay.status();
  EXPECT_EQ((*replay)->id, id);
  EXPECT_EQ((*replay)->title, "first");
  EXPECT_EQ((*replay)->metadata, (Metadata{{"k", "first"}}));
  EXPECT_EQ((*replay)->state, SessionPhase::kRunning);
  EXPECT_EQ(sessions().Get(tenant_, id)->title, "third");

  ASSERT_TRUE(sessions().Delete(tenant_, id).ok());
  EXPECT_TRUE(absl::IsNotFound(sessions().Get(tenant_, id).status()));
  replay = sessions().FindCreated(tenant_, idempotency);
  ASSERT_TRUE(replay.ok() && replay->has_value()) << replay.status();
  EXPECT_EQ((*replay)->id, id);
  EXPECT_EQ((*replay)->title, "first");
  EXPECT_EQ((*replay)->metadata, (Metadata{{"k", "first"}}));
  EXPECT_EQ((*replay)->compute.limits.pids, 128);
  EXPECT_EQ((*replay)->state, SessionPhase::kTerminated);
  EXPECT_EQ((*replay)->reason, "DELETED");
  EXPECT_TRUE((*replay)->ended_at.has_value());
}

TEST_F(SessionReadsTest, TwoCreatesOfOneRequestAtOnceMakeOneSession) {
  for (int round = 0; round < 10; ++round) {
    const Idempotency idempotency{absl::StrCat("r", round), "hash"};
    const NewSession requests[] = {NewSessionOf(environment_, {node_.id}),
                                   NewSessionOf(environment_, {node_.id})};
    std::string ids[2];
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        auto created = sessions().Create(requests[i], idempotency);
        ASSERT_TRUE(created.ok()) << created.status();
        ids[i] = created->session.id.value();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(ids[0], ids[1]);
    EXPECT_EQ(GetNode(node_.id).used.sessions, round + 1);
  }
}

TEST_F(SessionReadsTest, EventsTellEveryChangeOfTheStatusAndAgreeWithTheSession) {
  NewSession request = NewSessionOf(environment_, {node_.id});
  request.session.on_node_loss = OnNodeLoss::kReschedule;
  const auto created = sessions().Create(request, {});
  ASSERT_TRUE(created.ok()) << created.status();
  const SessionId id = created->session.id;
  std::vector<SessionStatusKind> statuses;
  const auto read_on = [&] {
    const auto events = sessions().Events(tenant_, id, static_cast<int64_t>(statuses.size()));
    ASSERT_TRUE(events.ok()) << events.status();
    for (const SessionEvent& event : *events) {
      statuses.push_back(event.status);
      EXPECT_EQ(event.number, static_cast<int64_t>(statuses.size()));
    }
    ASSERT_FALSE(statuses.empty());
    EXPECT_EQ(statuses.back(), StatusKindOf(*sessions().Get(tenant_, id)));
  };
  read_on();
  MakeRunning(*created);
  read_on();
  SessionTransition lost;
  lost.id = id;
  lost.generation = 1;
  lost.to = SessionPhase::kRescheduling;
  lost.stop_reason = "FENCED";
  ASSERT_TRUE(Apply(lost).applied);
  read_on();
  ASSERT_TRUE(sessions().ConfirmStopped(node_.id, id, 1).ok());
  SessionStore::Move move;
  move.id = id;
  move.generation = 1;
  move.candidates = {node_.id};
  const auto run = sessions().Place(move);
  ASSERT_TRUE(run.ok() && run->has_value()) << run.status();
  read_on();
  ASSERT_TRUE(sessions().Archive(tenant_, id).ok());
  read_on();
  ASSERT_TRUE(sessions().ConfirmStopped(node_.id, id, 2).ok());
  read_on();
  EXPECT_EQ(statuses, (std::vector<SessionStatusKind>{
                          SessionStatusKind::kIdle, SessionStatusKind::kRescheduling,
                          SessionStatusKind::kIdle, SessionStatusKind::kTerminated}));
  EXPECT_EQ(sessions().Events(tenant_, id, 0)->front().at, sessions().Get(tenant_, id)->created_at);
  ASSERT_TRUE(sessions().Delete(tenant_, id).ok());
  EXPECT_TRUE(absl::IsNotFound(sessions().Events(tenant_, id, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(sessions().Events(tenant_, SessionId("x"), 0).status()));
}

TEST_F(SessionReadsTest, OtherTenantsAndMalformedIdsAreNotFound) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  for (const auto& [tenant, id] :
       {std::pair(other_, created.session.id), std::pair(tenant_, SessionId("sesn_x")),
        std::pair(tenant_, SessionId(std::string("a\0b", 3)))}) {
    EXPECT_EQ(sessions().Get(tenant, id).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(sessions().Locate(tenant, id).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(sessions().Delete(tenant, id).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(sessions().Archive(tenant, id).status().code(), absl::StatusCode::kNotFound);
  }
  EXPECT_TRUE(sessions().Get(tenant_, created.session.id).ok());
}

TEST_F(SessionReadsTest, ListFiltersOrdersAndPages) {
  std::vector<SessionId> ids;
  for (int i = 0; i < 7; ++i) ids.push_back(MakeSession(environment_, {node_.id}).session.id);
  const Environment second = MakeEnvironment("second");
  const CreatedSession elsewhere = MakeSession(second, {node_.id});
  MakeRunning(elsewhere);
  SessionFilter filter;
  filter.environment_id = environment_.id;
  PageQuery page;
  page.limit = 3;
  std::vector<SessionId> seen;
  while (true) {
    auto listed = sessions().List(tenant_, filter, page);
    ASSERT_TRUE(listed.ok()) << listed.status();
    for (const Session& session : listed->items) seen.push_back(session.id);
    if (!listed->has_more) break;
    page.after = seen.back().value();
  }
  EXPECT_EQ(seen, std::vector<SessionId>(ids.rbegin(), ids.rend()));
  filter.order = ListOrder::kOldestFirst;
  EXPECT_EQ(sessions().List(tenant_, filter, {2, ""})->items[1].id, ids[1]);
  SessionFilter running;
  running.phases = {SessionPhase::kRunning, SessionPhase::kStopping};
  auto listed = sessions().List(tenant_, running, {});
  ASSERT_EQ(listed->items.size(), 1u);
  EXPECT_EQ(listed->items[0].id, elsewhere.session.id);
  SessionFilter between;
  between.created_after = elsewhere.session.created_at - absl::Milliseconds(1);
  EXPECT_EQ(sessions().List(tenant_, between, {})->items.size(), 1u);
  EXPECT_TRUE(sessions().List(other_, {}, {})->items.empty());
}

TEST_F(SessionReadsTest, MutateChangesTitleAndMetadataWithARevision) {
  const CreatedSession created = MakeSession(environment_, {node_.id});
  auto session = sessions().Mutate(tenant_, created.session.id,
                                   [](const Session& stored, bool*) -> absl::StatusOr<Session> {
                                     Session next = stored;
                                     next.title = "ünï 🎉";
                                     next.metadata["k"] = "v";
                                     return next;
                                   });
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->title, "ünï 🎉");
  EXPECT_EQ(session->metadata.at("k"), "v");
  EXPECT_EQ(session->revision, 2);
}

}  // namespace
}  // namespace paddock
