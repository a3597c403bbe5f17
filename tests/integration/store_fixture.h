#pragma once

#include <memory>
#include <string>

#include "common/ids.h"
#include "controlplane/store/database.h"
#include "gtest/gtest.h"
#include "tests/integration/postgres_fixture.h"

namespace paddock {

// A new database for each test, with the values that most tests need.
class StoreTest : public testing::Test {
 protected:
  static constexpr int64_t kMiB = int64_t{1} << 20;

  void SetUp() override {
    absl::StatusOr<std::string> url = PostgresServer::Shared().CreateDatabase();
    ASSERT_TRUE(url.ok()) << url.status();
    options_.url = *url;
    absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(options_, settings_);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }

  const Stores& stores() { return database_->stores(); }

  Environment NewEnvironment(const std::string& name, const Tenant& tenant) {
    Environment environment;
    // Times that differ, so that ids sort by their creation here.
    now_ += absl::Milliseconds(1);
    environment.created_at = now_;
    environment.id = EnvironmentId(NewId(kEnvironmentPrefix, now_));
    environment.tenant = tenant;
    environment.name = name;
    environment.config = CloudConfig{};
    return environment;
  }

  Environment MakeEnvironment(const std::string& name) {
    absl::StatusOr<Environment> environment =
        stores().environments->Create(NewEnvironment(name, tenant_), {});
    EXPECT_TRUE(environment.ok()) << environment.status();
    return environment.ok() ? *environment : Environment();
  }

  NodeRegistration NewNode(const std::string& name, int64_t sessions = 100) {
    NodeRegistration node;
    now_ += absl::Milliseconds(1);
    node.id = NodeId(NewId(kNodePrefix, now_));
    node.name = name;
    node.address = name + ":7000";
    node.epoch = "epoch-1";
    node.boot_id = "boot-1";
    node.capacity = {1000, 1000 * kMiB, 1000 * kMiB, sessions};
    return node;
  }

  NodeRegistration MakeNode(const std::string& name, int64_t sessions = 100) {
    NodeRegistration node = NewNode(name, sessions);
    absl::StatusOr<NodeStore::Registered> registered = stores().nodes->Register(node);
    EXPECT_TRUE(registered.ok()) << registered.status();
    return node;
  }

  NewSession NewSessionOf(const Environment& environment, std::vector<NodeId> candidates) {
    NewSession created;
    now_ += absl::Milliseconds(1);
    created.session.id = SessionId(NewId(kSessionPrefix, now_));
    created.session.created_at = now_;
    created.session.tenant = environment.tenant;
    created.session.environment_id = environment.id;
    created.session.config = environment.config;
    created.session.compute.limits = {2000, 512 * kMiB, 64 * kMiB, 128};
    created.session.compute.requests = {1, kMiB, kMiB};
    created.environment_revision = environment.revision;
    created.candidates = std::move(candidates);
    created.shape = "shape";
    created.pending_reason = "NO_ROOM";
    created.pending_message = "full";
    return created;
  }

  CreatedSession MakeSession(const Environment& environment, std::vector<NodeId> candidates) {
    absl::StatusOr<CreatedSession> created =
        stores().sessions->Create(NewSessionOf(environment, std::move(candidates)), {});
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? *std::move(created) : CreatedSession();
  }

  TransitionResult Apply(const SessionTransition& transition) {
    auto results = stores().sessions->Apply({transition});
    EXPECT_TRUE(results.ok()) << results.status();
    return results.ok() ? (*results)[0] : TransitionResult();
  }

  TransitionResult MakeRunning(const CreatedSession& created) {
    SessionTransition running;
    running.id = created.session.id;
    running.generation = created.session.generation;
    running.to = SessionPhase::kRunning;
    return Apply(running);
  }

  Node GetNode(const NodeId& id) {
    absl::StatusOr<Node> node = stores().nodes->Get(id);
    EXPECT_TRUE(node.ok()) << node.status();
    return node.ok() ? *node : Node();
  }

  Settings settings_;
  PoolOptions options_;
  const Tenant tenant_ = {"acme", "research"};
  const Tenant other_ = {"acme", "sales"};
  std::unique_ptr<Database> database_;
  absl::Time now_ = absl::FromUnixSeconds(1'790'000'000);
};

}  // namespace paddock
