#include <memory>

#include "controlplane/store/database.h"
#include "gtest/gtest.h"
#include "tests/contract/agent_store_contract.h"
#include "tests/contract/api_key_store_contract.h"
#include "tests/contract/environment_store_contract.h"
#include "tests/contract/image_store_contract.h"
#include "tests/integration/postgres_fixture.h"

namespace paddock {
namespace {

// All tests of the suites in one database.
Database& SharedDatabase() {
  static Database* const database = [] {
    PoolOptions options;
    options.url = PostgresServer::Shared().CreateDatabase().value();
    return Database::Open(options, Settings()).value().release();
  }();
  return *database;
}

class PgHarness : public StoreHarness {
 public:
  EnvironmentStore* environments() override { return SharedDatabase().stores().environments; }
  AgentStore* agents() override { return SharedDatabase().stores().agents; }
  ApiKeyStore* api_keys() override { return SharedDatabase().stores().api_keys; }
  ImageStore* images() override { return SharedDatabase().stores().images; }

  SessionId Reference(const Environment& environment) override {
    NewSession created;
    created.session.created_at = Clock::Real()->Now();
    created.session.id = SessionId(NewId(kSessionPrefix, created.session.created_at));
    created.session.tenant = environment.tenant;
    created.session.environment_id = environment.id;
    created.session.config = environment.config;
    created.environment_revision = environment.revision;
    auto result = SharedDatabase().stores().sessions->Create(created, {});
    EXPECT_TRUE(result.ok()) << result.status();
    return created.session.id;
  }

  void Unreference(const Environment& environment, const SessionId& session) override {
    EXPECT_TRUE(SharedDatabase().stores().sessions->Delete(environment.tenant, session).ok());
  }

  NodeId MakeNode() override {
    NodeRegistration node;
    node.id = NodeId(NewId(kNodePrefix, Clock::Real()->Now()));
    node.address = "node:7000";
    node.epoch = "epoch";
    node.capacity = {1, 1, 1, 1};
    EXPECT_TRUE(SharedDatabase().stores().nodes->Register(node).ok());
    return node.id;
  }

  std::vector<std::string> ImagesOf(const NodeId& node) override {
    return SharedDatabase().stores().nodes->Get(node)->images;
  }
};

const MakeStoreHarness kMake = [] { return std::make_unique<PgHarness>(); };

INSTANTIATE_TEST_SUITE_P(Postgres, EnvironmentStoreContract, testing::Values(kMake));
INSTANTIATE_TEST_SUITE_P(Postgres, AgentStoreContract, testing::Values(kMake));
INSTANTIATE_TEST_SUITE_P(Postgres, ApiKeyStoreContract, testing::Values(kMake));
INSTANTIATE_TEST_SUITE_P(Postgres, ImageStoreContract, testing::Values(kMake));

}  // namespace
}  // namespace paddock
