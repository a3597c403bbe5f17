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
