// The control plane with a real PostgreSQL and pretended node agents.
#include <deque>
#include <map>
#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "common/thread_pool.h"
#include "controlplane/core/control_plane.h"
#include "controlplane/store/database.h"
#include "gtest/gtest.h"
#include "tests/integration/fake_fleet.h"
#include "tests/integration/postgres_fixture.h"

namespace paddock {
namespace {

class PoolExecutor : public Executor {
 public:
  void Run(std::function<void()> task) override { pool_.Schedule(std::move(task)); }
  void Join() { pool_.Join(); }

 private:
  ThreadPool pool_{"test", 4, 10'000};
};

// Runs tasks when its time has come, on a thread of its own.
class ThreadTimers : public Timers {
 public:
  ThreadTimers() : thread_([this] { Loop(); }) {}
  ~ThreadTimers() override {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    thread_.join();
  }
  void After(absl::Duration delay, std::function<void()> task) override {
    absl::MutexLock lock(&mutex_);
    tasks_.emplace(Clock::Real()->Monotonic() + delay, std::move(task));
  }

 private:
  void Loop() {
    absl::MutexLock lock(&mutex_);
    while (!ending_) {
      mutex_.AwaitWithTimeout(absl::Condition(&ending_), absl::Milliseconds(5));
      while (!tasks_.empty() && tasks_.begin()->first <= Clock::Real()->Monotonic()) {
        std::function<void()> task = std::move(tasks_.begin()->second);
        tasks_.erase(tasks_.begin());
        mutex_.Unlock();
        task();
        mutex_.Lock();
      }
    }
  }
  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::multimap<absl::Duration, std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

class FleetTest : public testing::Test {
 protected:
  void SetUp() override {
    settings_.heartbeat_interval = absl::Milliseconds(100);
    settings_.not_ready_after = absl::Seconds(1);
    settings_.fence_after = absl::Seconds(2);
    settings_.lost_after = absl::Seconds(3);
    PoolOptions options;
    options.url = PostgresServer::Shared().CreateDatabase().value();
    auto database = Database::Open(options, settings_);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    control_plane_ = MakeReplica();
    control_plane_->Start();
    EnvironmentPatch patch;
    patch.name = Change<std::string>::Set("env");
    auto environment = control_plane_->environments()->Create(tenant_, patch, {});
    ASSERT_TRUE(environment.ok()) << environment.status();
    environment_ = *environment;
  }

  void TearDown() override {
    StopBeating();
    EXPECT_FALSE(fleet_.EverTwice());
    control_plane_->StopReconciling();
    executor_.Join();
    control_plane_.reset();
  }

  std::unique_ptr<ControlPlane> MakeReplica() {
    ControlPlane::Deps deps;
    deps.stores = database_->stores();
    deps.client = &fleet_;
    deps.executor = &executor_;
    deps.timers = &timers_;
    registries_.push_back(std::make_unique<prometheus::Registry>());
    deps.registry = registries_.back().get();
    return std::make_unique<ControlPlane>(deps, settings_);
  }

  NodeId AddNode(const std::string& name, int64_t sessions = 100) {
    NodeRegistration node;
    node.id = NodeId(NewId(kNodePrefix, Clock::Real()->Now()));
    node.name = name;
    node.address = name + ":1";
    node.epoch = "epoch-1";
    node.boot_id = "boot-1";
    node.capacity = {100'000, int64_t{64} << 30, int64_t{64} << 30, sessions};
    auto joined = fleet_.Join(control_plane_->node_registry(), node);
    EXPECT_TRUE(joined.ok()) << joined.status();
    absl::MutexLock lock(&mutex_);
    nodes_.push_back(node.id);
    if (!beater_.joinable()) beater_ = std::thread([this] { BeatAll(); });
    return node.id;
  }

  void BeatAll() {
    while (true) {
      std::vector<NodeId> nodes;
      {
        absl::MutexLock lock(&mutex_);
        if (mutex_.AwaitWithTimeout(absl::Condition(&ending_), absl::Milliseconds(50))) return;
        nodes = nodes_;
      }
      for (const NodeId& node : nodes) {
        (void)fleet_.Beat(control_plane_->node_registry(), node);
      }
    }
  }

  void StopBeating() {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    if (beater_.joinable()) beater_.join();
  }

  absl::StatusOr<Session> Create(absl::Duration wait = absl::Seconds(10),
                                 OnNodeLoss on_node_loss = OnNodeLoss::kKeep) {
    CreateSessionRequest request;
    request.environment_id = environment_.id;
    request.wait = wait;
    request.on_node_loss = on_node_loss;
    return Create(request);
  }

  absl::StatusOr<Session> Create(const CreateSessionRequest& request) {
    auto done = std::make_shared<absl::Notification>();
    auto answer = std::make_shared<absl::StatusOr<Session>>(absl::UnknownError(""));
    control_plane_->sessions()->Create(tenant_, request, [=](absl::StatusOr<Session> session) {
      *answer = std::move(session);
      done->Notify();
    });
    EXPECT_TRUE(done->WaitForNotificationWithTimeout(absl::Seconds(60)));
    return *answer;
  }

  absl::StatusOr<Session> Archive(const SessionId& id) {
    absl::Notification done;
    absl::StatusOr<Session> answer = absl::UnknownError("");
    control_plane_->sessions()->Archive(tenant_, id, [&](absl::StatusOr<Session> session) {
      answer = std::move(session);
      done.Notify();
    });
    done.WaitForNotification();
    return answer;
  }

  Session Get(const SessionId& id) {
    absl::StatusOr<Session> session = control_plane_->sessions()->Get(tenant_, id);
    return session.ok() ? *session : Session();
  }

  int64_t Used(const NodeId& node) {
    absl::StatusOr<Node> read = control_plane_->nodes()->Get(node);
    return read.ok() ? read->used.sessions : -1;
  }

  // Until `condition` holds, for at most 30 s.
  bool Eventually(const std::function<bool()>& condition) {
    const absl::Duration deadline = Clock::Real()->Monotonic() + absl::Seconds(30);
    while (!condition()) {
      if (Clock::Real()->Monotonic() > deadline) return false;
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&never_), absl::Milliseconds(20));
    }
    return true;
  }

  const Tenant tenant_ = {"acme", "research"};
  Settings settings_;
  std::vector<std::unique_ptr<prometheus::Registry>> registries_;
  FakeFleet fleet_;
  ThreadTimers timers_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ControlPlane> control_plane_;
  PoolExecutor executor_;
  Environment environment_;
  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool never_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<NodeId> nodes_ ABSL_GUARDED_BY(mutex_);
  std::thread beater_;
};

TEST_F(FleetTest, CreateAnswersRunningAndDeleteFreesTheNode) {
  const NodeId node = AddNode("a");
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state, SessionPhase::kRunning) << session->reason << session->message;
  EXPECT_EQ(session->node_id, node);
  EXPECT_EQ(fleet_.RunningOn(node).size(), 1u);
  auto location = control_plane_->sessions()->Locate(tenant_, session->id);
  ASSERT_TRUE(location.ok()) << location.status();
  EXPECT_EQ(location->node.address, "a:1");
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, session->id).ok());
  EXPECT_EQ(control_plane_->sessions()->Get(tenant_, session->id).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(control_plane_->environments()->Delete(tenant_, environment_.id).ok());
  EXPECT_TRUE(Eventually([&] { return fleet_.RunningOn(node).empty() && Used(node) == 0; }));
}

TEST_F(FleetTest, FailedStartEndsWithTheReasonAndReleases) {
  const NodeId node = AddNode("a");
  fleet_.Set(node, FakeFleet::Behaviour::kFail);
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->state, SessionPhase::kTerminated);
  EXPECT_EQ(session->reason, "START_FAILED");
  EXPECT_TRUE(Eventually([&] { return Used(node) == 0; }));
}

TEST_F(FleetTest, RefusedForRoomGoesToAnotherNode) {
  const NodeId a = AddNode("a");
  fleet_.Set(a, FakeFleet::Behaviour::kRefuse);
  absl::StatusOr<Session> first = Create(absl::Milliseconds(500));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_NE(first->state, SessionPhase::kRunning);
  ASSERT_TRUE(control_plane_->nodes()->Cordon(a).ok());
  const NodeId b = AddNode("b");
  EXPECT_TRUE(Eventually([&] { return Get(first->id).state == SessionPhase::kRunning; }));
  EXPECT_EQ(Get(first->id).node_id, b);
  EXPECT_GT(Get(first->id).generation, 1);
  EXPECT_TRUE(Eventually([&] { return Used(a) == 0; }));
}

TEST_F(FleetTest, FullClusterQueuesAndPlacesInOrder) {
  const NodeId node = AddNode("a", /*sessions=*/1);
  absl::StatusOr<Session> first = Create();
  ASSERT_EQ(first->state, SessionPhase::kRunning);
  std::vector<Session> waiting;
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<Session> session = Create(absl::ZeroDuration());
    ASSERT_TRUE(session.ok()) << session.status();
    EXPECT_EQ(session->state, SessionPhase::kPending);
    EXPECT_EQ(session->reason, "NO_ROOM");
    waiting.push_back(*session);
  }
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, first->id).ok());
  for (const Session& next : waiting) {
    EXPECT_TRUE(Eventually([&] { return Get(next.id).state == SessionPhase::kRunning; }));
    EXPECT_EQ(fleet_.RunningOn(node).size(), 1u);
    ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, next.id).ok());
  }
}

TEST_F(FleetTest, UnreachableAgentLeavesStartingUntilAHeartbeatHeals) {
  const NodeId node = AddNode("a");
  fleet_.Set(node, FakeFleet::Behaviour::kUnreachable);
  absl::StatusOr<Session> session = Create(absl::Milliseconds(200));
  ASSERT_TRUE(session.ok()) << session.status();
  // A node that joined within the last moments may be seen a little later.
  EXPECT_TRUE(Eventually([&] { return Get(session->id).state == SessionPhase::kStarting; }));
  fleet_.Set(node, FakeFleet::Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return Get(session->id).state == SessionPhase::kRunning; }));
}

TEST_F(FleetTest, DeletedWhileStartingLeavesNoOrphan) {
  const NodeId node = AddNode("a");
  fleet_.Set(node, FakeFleet::Behaviour::kHold);
  absl::StatusOr<Session> session = Create(absl::ZeroDuration());
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, session->id).ok());
  fleet_.Release(node);  // The delayed start comes after the stop.
  EXPECT_TRUE(Eventually([&] { return Used(node) == 0; }));
  EXPECT_TRUE(fleet_.RunningOn(node).empty());
}

TEST_F(FleetTest, ArchiveEndsTheContainerAndAnswersTheSameAgain) {
  const NodeId node = AddNode("a");
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok());
  absl::StatusOr<Session> archived = Archive(session->id);
  ASSERT_TRUE(archived.ok()) << archived.status();
  EXPECT_EQ(archived->state, SessionPhase::kTerminated);
  EXPECT_TRUE(fleet_.RunningOn(node).empty());
  absl::StatusOr<Session> again = Archive(session->id);
  EXPECT_EQ(again->archived_at, archived->archived_at);
  EXPECT_EQ(again->revision, archived->revision);
}

TEST_F(FleetTest, RequestIdAnswersTheSameSession) {
  AddNode("a");
  CreateSessionRequest request;
  request.environment_id = environment_.id;
  request.idempotency = {"id-1", "hash"};
  absl::StatusOr<Session> first = Create(request);
  absl::StatusOr<Session> second = Create(request);
  ASSERT_TRUE(first.ok() && second.ok()) << second.status();
  EXPECT_EQ(first->id, second->id);
  EXPECT_EQ(second->state, SessionPhase::kRunning);
}

TEST_F(FleetTest, RebootedNodeStartsKeepSessionsAgainAndMovesTheOthers) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> keep = Create();
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  ASSERT_TRUE(keep.ok() && move.ok());
  ASSERT_TRUE(fleet_.Reboot(control_plane_->node_registry(), a).ok());
  EXPECT_TRUE(Eventually([&] {
    const Session session = Get(keep->id);
    return session.state == SessionPhase::kRunning && session.generation == 2;
  }));
  EXPECT_EQ(fleet_.GenerationOn(a, keep->id), 2);
  EXPECT_TRUE(Eventually([&] {
    const Session session = Get(move->id);
    return session.state == SessionPhase::kRunning && session.generation == 2;
  }));
  EXPECT_TRUE(Eventually([&] { return Used(a) == 2; }));
}

TEST_F(FleetTest, LostNodesRescheduleSessionsMoveAndKeepOnesWait) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> keep = Create();
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  ASSERT_EQ(keep->node_id, a);
  ASSERT_EQ(move->node_id, a);
  const NodeId b = AddNode("b");
  AddNode("c");
  AddNode("d");
  fleet_.Set(a, FakeFleet::Behaviour::kUnreachable);
  EXPECT_TRUE(Eventually([&] { return !Get(keep->id).node_reachable; }));
  EXPECT_EQ(control_plane_->sessions()->Locate(tenant_, keep->id).status().code(),
            absl::StatusCode::kUnavailable);
  fleet_.Fence(a);
  EXPECT_TRUE(Eventually([&] {
    const Session session = Get(move->id);
    return session.state == SessionPhase::kRunning && session.generation == 2;
  }));
  EXPECT_NE(Get(move->id).node_id, a);
  EXPECT_EQ(Get(keep->id).state, SessionPhase::kRunning);
  EXPECT_EQ(Get(keep->id).generation, 1);
  EXPECT_EQ(Used(a), 2);  // Until it proves that nothing is left.
  fleet_.Set(a, FakeFleet::Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return Used(a) == 1 && Get(keep->id).node_reachable; }));
  EXPECT_EQ(fleet_.GenerationOn(a, move->id), 0);
  (void)b;
}

TEST_F(FleetTest, AWatcherSeesItsNodeFallSilentAndAnswerAgain) {
  const NodeId node = AddNode("a");
  absl::StatusOr<Session> session = Create();
  ASSERT_TRUE(session.ok()) << session.status();
  absl::Mutex mutex;
  std::vector<std::pair<int64_t, bool>> told;
  const auto last_is = [&](bool reachable) {
    absl::MutexLock lock(&mutex);
    return !told.empty() && told.back().second == reachable;
  };
  auto watch = control_plane_->sessions()->Watch(
      tenant_, session->id, 0, [&](const absl::StatusOr<Session>& change) {
        absl::MutexLock lock(&mutex);
        if (change.ok()) told.emplace_back(change->revision, change->node_reachable);
      });
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_TRUE(last_is(true));
  fleet_.Set(node, FakeFleet::Behaviour::kUnreachable);
  EXPECT_TRUE(Eventually([&] { return last_is(false); }));
  std::atomic<int> resumed{0};
  auto going_on = control_plane_->sessions()->Watch(tenant_, session->id, Get(session->id).revision,
                                                    [&](const absl::StatusOr<Session>& change) {
                                                      if (change.ok() && !change->node_reachable)
                                                        ++resumed;
                                                    });
  EXPECT_EQ(resumed, 1);
  fleet_.Set(node, FakeFleet::Behaviour::kRun);
  EXPECT_TRUE(Eventually([&] { return last_is(true); }));
  going_on->reset();
  watch->reset();
  for (size_t i = 1; i < told.size(); ++i) {
    EXPECT_LE(told[i - 1].first, told[i].first);
    EXPECT_NE(told[i - 1], told[i]);
  }
}

TEST_F(FleetTest, DrainMovesRescheduleSessionsAndEndsKeepOnesAtTheDeadline) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> keep = Create();
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  const NodeId b = AddNode("b");
  ASSERT_TRUE(control_plane_->nodes()->StartDrain(a, absl::Seconds(2)).ok());
  EXPECT_TRUE(Eventually(
      [&] { return Get(move->id).node_id == b && Get(move->id).state == SessionPhase::kRunning; }));
  EXPECT_EQ(Get(keep->id).state, SessionPhase::kRunning);
  EXPECT_TRUE(Eventually([&] { return Get(keep->id).state == SessionPhase::kTerminated; }));
  EXPECT_EQ(Get(keep->id).reason, "NODE_DRAINED");
  EXPECT_TRUE(
      Eventually([&] { return control_plane_->nodes()->GetDrainProgress(a)->remaining == 0; }));
  const NodeStore::DrainProgress progress = *control_plane_->nodes()->GetDrainProgress(a);
  EXPECT_EQ(progress.moved, 1);
  EXPECT_EQ(progress.ended, 1);
}

TEST_F(FleetTest, ADrainingNodeThatIsLostDoesntHoldItsSessions) {
  const NodeId a = AddNode("a");
  absl::StatusOr<Session> move = Create(absl::Seconds(10), OnNodeLoss::kReschedule);
  AddNode("b");
  AddNode("c");
  fleet_.Set(a, FakeFleet::Behaviour::kUnreachable);
  ASSERT_TRUE(control_plane_->nodes()->StartDrain(a, std::nullopt).ok());
  EXPECT_TRUE(Eventually([&] { return Get(move->id).state == SessionPhase::kRescheduling; }));
  fleet_.Fence(a);
  EXPECT_TRUE(Eventually(
      [&] { return Get(move->id).state == SessionPhase::kRunning && Get(move->id).node_id != a; }));
}

TEST_F(FleetTest, WatchOfAnotherReplicaSeesEveryStateOnceAndTheEnd) {
  AddNode("a");
  std::unique_ptr<ControlPlane> other = MakeReplica();
  absl::StatusOr<Session> session = Create();
  absl::Mutex mutex;
  std::vector<std::pair<int64_t, bool>> told;  // Revision and whether the node was reachable.
  std::vector<SessionPhase> phases;
  bool deleted = false;
  auto watch =
      other->sessions()->Watch(tenant_, session->id, 0, [&](const absl::StatusOr<Session>& change) {
        absl::MutexLock lock(&mutex);
        if (!change.ok()) {
          deleted = absl::IsNotFound(change.status());
          return;
        }
        told.emplace_back(change->revision, change->node_reachable);
        phases.push_back(change->state);
      });
  ASSERT_TRUE(watch.ok()) << watch.status();
  ASSERT_TRUE(Archive(session->id).ok());
  EXPECT_TRUE(Eventually([&] {
    absl::MutexLock lock(&mutex);
    return phases.back() == SessionPhase::kTerminated;
  }));
  ASSERT_TRUE(control_plane_->sessions()->Delete(tenant_, session->id).ok());
  EXPECT_TRUE(Eventually([&] {
    absl::MutexLock lock(&mutex);
    return deleted;
  }));
  absl::MutexLock lock(&mutex);
  for (size_t i = 1; i < told.size(); ++i) {
    EXPECT_LE(told[i - 1].first, told[i].first);
    EXPECT_NE(told[i - 1], told[i]);
  }
  EXPECT_EQ(phases.front(), SessionPhase::kRunning);
  EXPECT_EQ(other->sessions()
                ->Watch(tenant_, session->id, 0, [](const absl::StatusOr<Session>&) {})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(FleetTest, HundredCreatesAtOnceAllRun) {
  const NodeId node = AddNode("a", 200);
  std::vector<std::thread> threads;
  std::atomic<int> running{0};
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 5; ++j) {
        absl::StatusOr<Session> session = Create();
        if (session.ok() && session->state == SessionPhase::kRunning) ++running;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(running, 100);
  EXPECT_EQ(Used(node), 100);
  EXPECT_EQ(fleet_.RunningOn(node).size(), 100u);
}

}  // namespace
}  // namespace paddock
