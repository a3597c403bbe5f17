#include "controlplane/store/database.h"

#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "controlplane/store/migrations.h"
#include "tests/integration/store_fixture.h"

namespace paddock {
namespace {

class DatabaseTest : public StoreTest {};

TEST_F(DatabaseTest, ReplicasThatStartAtOnceMigrateOnce) {
  PoolOptions options;
  options.url = PostgresServer::Shared().CreateDatabase().value();
  std::atomic<int> opened{0};
  std::vector<std::thread> replicas;
  for (int i = 0; i < 4; ++i) {
    replicas.emplace_back([&] {
      absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(options, settings_);
      EXPECT_TRUE(database.ok()) << database.status();
      if (database.ok()) ++opened;
    });
  }
  for (std::thread& replica : replicas) replica.join();
  EXPECT_EQ(opened, 4);
  pqxx::connection connection(options.url);
  const auto rows = pqxx::nontransaction(connection).exec("SELECT number FROM schema_migrations");
  EXPECT_EQ(rows.size(), EmbeddedMigrations().size());
}

TEST_F(DatabaseTest, MigrationsAreNumberedWithoutGaps) {
  int expected = 0;
  for (const Migration& migration : EmbeddedMigrations()) {
    EXPECT_EQ(migration.number, ++expected) << migration.name;
  }
  EXPECT_GE(expected, 4);
}

std::set<int> AppliedMigrations(const std::string& url) {
  pqxx::connection connection(url);
  std::set<int> numbers;
  for (const pqxx::row& row :
       pqxx::nontransaction(connection).exec("SELECT number FROM schema_migrations")) {
    numbers.insert(row[0].as<int>());
  }
  return numbers;
}

// What a rolling upgrade does to the replicas that aren't rolled yet, and what a rollback finds.
TEST_F(DatabaseTest, AReplicaRunsOnASchemaThatANewerOneHasMigrated) {
  const Environment environment = MakeEnvironment("env");
  const NodeRegistration node = MakeNode("node-1");
  const CreatedSession before = MakeSession(environment, {node.id});
  std::vector<Migration> newer = EmbeddedMigrations();
  const int number = newer.back().number + 1;
  newer.push_back({number, "newer",
                   "CREATE TABLE newer (id bigint PRIMARY KEY);"
                   "ALTER TABLE sessions ADD COLUMN newer boolean NOT NULL DEFAULT true;"
                   "ALTER TABLE nodes ADD COLUMN newer text;"
                   "ALTER TABLE placements ADD COLUMN newer text;"
                   "ALTER TABLE environments ADD COLUMN newer text"});
  {
    pqxx::connection connection(options_.url);
    EXPECT_EQ(ApplyMigrations(connection, newer), 1);
  }
  // This one has been there all the time; its statements are prepared.
  MakeRunning(before);
  EXPECT_EQ(stores().sessions->Get(tenant_, before.session.id)->state, SessionPhase::kRunning);
  // A rolled back one starts.
  auto rolled_back = Database::Open(options_, settings_);
  ASSERT_TRUE(rolled_back.ok()) << rolled_back.status();
  database_ = *std::move(rolled_back);
  EXPECT_EQ(stores().sessions->Get(tenant_, before.session.id)->state, SessionPhase::kRunning);
  const CreatedSession after = MakeSession(environment, {node.id});
  MakeRunning(after);
  EXPECT_EQ(GetNode(node.id).used.sessions, 2);
  EXPECT_EQ(AppliedMigrations(options_.url).count(number), 1u);
}

TEST_F(DatabaseTest, ADatabaseOfAnEarlierRevisionIsBroughtUpToDateWithWhatItHolds) {
  PoolOptions options;
  options.url = PostgresServer::Shared().CreateDatabase().value();
  std::vector<Migration> earlier = EmbeddedMigrations();
  earlier.pop_back();
  const Environment environment = NewEnvironment("env", tenant_);
  {
    pqxx::connection connection(options.url);
    ASSERT_EQ(ApplyMigrations(connection, earlier), static_cast<int>(earlier.size()));
    pqxx::work transaction(connection);
    transaction.exec_params(
        "INSERT INTO environments (id, organization, workspace, name, metadata, config, image, "
        "revision, created_at, updated_at) VALUES ($1, $2, $3, 'env', '{}', $4, $5, 1, now(), "
        "now())",
        environment.id.value(), tenant_.organization, tenant_.workspace,
        R"({"type":"cloud","networking":{"type":"unrestricted"}})", R"({"state":3})");
    transaction.commit();
  }
  auto database = Database::Open(options, settings_);
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(AppliedMigrations(options.url).size(), EmbeddedMigrations().size());
  database_ = *std::move(database);
  const auto stored = stores().environments->Get(tenant_, environment.id);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->name, "env");
  const NodeRegistration node = MakeNode("node-1");
  EXPECT_EQ(MakeSession(*stored, {node.id}).session.environment_id, environment.id);
}

TEST_F(DatabaseTest, UnreachableDatabaseIsUnavailable) {
  PoolOptions options;
  options.url = "host=/nonexistent dbname=x user=postgres";
  EXPECT_EQ(Database::Open(options, settings_).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(DatabaseTest, ExhaustedConnectionsAnswerResourceExhausted) {
  options_.size = 1;
  options_.acquire_timeout = absl::Milliseconds(50);
  auto small = Database::Open(options_, settings_);
  ASSERT_TRUE(small.ok()) << small.status();
  const Environment environment = MakeEnvironment("env");
  absl::Status inner;
  auto outer = (*small)->stores().environments->Mutate(
      tenant_, environment.id,
      [&](const Environment& stored, bool* changed) -> absl::StatusOr<Environment> {
        inner = (*small)->stores().environments->Get(tenant_, environment.id).status();
        *changed = false;
        return stored;
      });
  EXPECT_TRUE(outer.ok()) << outer.status();
  EXPECT_EQ(inner.code(), absl::StatusCode::kResourceExhausted) << inner;
}

TEST_F(DatabaseTest, TextWithNulIsRefusedNotCut) {
  Environment environment = NewEnvironment(std::string("a\0b", 3), tenant_);
  EXPECT_EQ(stores().environments->Create(environment, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(DatabaseTest, TenThousandEnvironmentsArePagedWhileOthersComeAndGo) {
  constexpr int kCount = 10'000;
  std::set<std::string> expected;
  {
    pqxx::connection connection(options_.url);
    pqxx::work transaction(connection);
    pqxx::stream_to stream(
        transaction, "environments",
        std::vector<std::string>{"id", "organization", "workspace", "name", "metadata", "config",
                                 "image", "revision", "created_at", "updated_at"});
    for (int i = 0; i < kCount; ++i) {
      const Environment environment = NewEnvironment(absl::StrCat("env-", i), tenant_);
      stream << std::make_tuple(
          environment.id.value(), tenant_.organization, tenant_.workspace, environment.name, "{}",
          R"({"type":"cloud","networking":{"type":"unrestricted"}})", R"({"state":3})", 1,
          "2026-01-01 00:00:00+00", "2026-01-01 00:00:00+00");
      expected.insert(environment.id.value());
    }
    stream.complete();
    transaction.commit();
  }
  std::atomic<bool> ending{false};
  std::thread churn([&] {
    for (int i = 0; !ending; ++i) {
      const Environment environment = MakeEnvironment(absl::StrCat("churn-", i));
      if (i % 2 == 0) {
        EXPECT_TRUE(stores().environments->Delete(tenant_, environment.id).ok());
      }
    }
  });
  PageQuery query;
  query.limit = 500;
  std::string last;
  size_t seen = 0;
  while (true) {
    auto page = stores().environments->List(tenant_, query, Archived::kExclude);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const Environment& environment : page->items) {
      EXPECT_TRUE(last.empty() || environment.id.value() < last);
      last = environment.id.value();
      seen += expected.count(last);
    }
    if (!page->has_more) break;
    ASSERT_EQ(page->items.size(), 500u);
    query.after = last;
  }
  ending = true;
  churn.join();
  EXPECT_EQ(seen, static_cast<size_t>(kCount));
}

// With a server of its own, which it takes down.
TEST(DatabaseOutage, CallsAnswerUnavailableAndRecoverByThemselves) {
  auto server = PostgresServer::Start();
  ASSERT_TRUE(server.ok()) << server.status();
  PoolOptions options;
  options.url = (*server)->CreateDatabase().value();
  auto database = Database::Open(options, Settings());
  ASSERT_TRUE(database.ok()) << database.status();
  EnvironmentStore& environments = *(*database)->stores().environments;
  const Tenant tenant = {"acme", "research"};
  Environment environment;
  environment.created_at = absl::FromUnixSeconds(1'790'000'000);
  environment.id = EnvironmentId(NewId(kEnvironmentPrefix, environment.created_at));
  environment.tenant = tenant;
  environment.name = "env";
  ASSERT_TRUE(environments.Create(environment, {"request", "hash"}).ok());
  (*server)->Crash();
  EXPECT_EQ(environments.Get(tenant, environment.id).status().code(),
            absl::StatusCode::kUnavailable);
  ASSERT_TRUE((*server)->StartServer().ok());
  absl::StatusOr<Environment> again = environments.Create(environment, {"request", "hash"});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id, environment.id);
}

}  // namespace
}  // namespace paddock
