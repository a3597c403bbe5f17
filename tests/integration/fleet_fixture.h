#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/thread_pool.h"
#include "controlplane/core/control_plane.h"
#include "controlplane/store/database.h"
#include "gtest/gtest.h"
#include "tests/integration/fake_fleet.h"
#include "tests/integration/postgres_fixture.h"

namespace paddock {

class TestExecutor : public Executor {
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

// The control plane with a database of its own and a fleet of pretended agents that beat all the
// time. A test ends with an error if a session ever ran on two nodes at once.
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
    deps.node_listing = node_listing_;
    return std::make_unique<ControlPlane>(deps, settings_);
  }

  NodeId AddNode(const std::string& name, int64_t sessions = 100) {
    NodeRegistration node;
    node.id = NodeId(NewId(kNodePrefix, Clock::Real()->Now()));
    node.name = name;
    node.address = name + ":1";
    node.epoch = "epoch-1";
    node.boot_id = "boot-1";
    node.details["kubernetes_node"] = "cluster/" + name + "/uid-of-" + name;
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

  // Until `condition` holds, for at most `limit`.
  bool Eventually(const std::function<bool()>& condition,
                  absl::Duration limit = absl::Seconds(30)) {
    const absl::Duration deadline = Clock::Real()->Monotonic() + limit;
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
  // Of replicas that are made from now on.
  std::function<absl::StatusOr<std::string>()> node_listing_;
  FakeFleet fleet_;
  ThreadTimers timers_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ControlPlane> control_plane_;
  TestExecutor executor_;
  Environment environment_;
  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool never_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<NodeId> nodes_ ABSL_GUARDED_BY(mutex_);
  std::thread beater_;
};

}  // namespace paddock
