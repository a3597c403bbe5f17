#include "controlplane/store/database.h"

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "controlplane/store/migrations.h"
#include "controlplane/store/pg_agent_store.h"
#include "controlplane/store/pg_api_key_store.h"
#include "controlplane/store/pg_change_store.h"
#include "controlplane/store/pg_environment_store.h"
#include "controlplane/store/pg_fleet_store.h"
#include "controlplane/store/pg_image_store.h"
#include "controlplane/store/pg_node_store.h"
#include "controlplane/store/pg_session_store.h"

namespace paddock {

struct Database::Implementations {
  Implementations(const Sql* sql, const Settings& settings)
      : environments(sql),
        agents(sql),
        api_keys(sql),
        sessions(sql, settings.not_ready_after),
        nodes(sql, settings),
        fleet(sql, settings),
        changes(sql, settings.not_ready_after),
        images(sql, settings) {}
  PgEnvironmentStore environments;
  PgAgentStore agents;
  PgApiKeyStore api_keys;
  PgSessionStore sessions;
  PgNodeStore nodes;
  PgFleetStore fleet;
  PgChangeStore changes;
  PgImageStore images;
};

Database::Database(const PoolOptions& options, const Settings& settings)
    : pool_(options),
      sql_(&pool_),
      implementations_(std::make_unique<Implementations>(&sql_, settings)),
      stores_{&implementations_->environments, &implementations_->agents,
              &implementations_->api_keys,     &implementations_->sessions,
              &implementations_->nodes,        &implementations_->fleet,
              &implementations_->changes,      &implementations_->images} {}

Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const PoolOptions& options,
                                                         const Settings& settings) {
  PADDOCK_RETURN_IF_ERROR(settings.Validate());
  std::unique_ptr<Database> database(new Database(options, settings));
  PADDOCK_RETURN_IF_ERROR(database->Migrate());
  return database;
}

absl::Status Database::Migrate() {
  PADDOCK_ASSIGN_OR_RETURN(ConnectionPool::Lease lease, pool_.Acquire());
  pqxx::connection& connection = *lease.get().connection;
  // A migration takes as long as it takes.
  lease.get().watched->Pause();
  try {
    const std::string encoding =
        pqxx::nontransaction(connection).exec("SHOW server_encoding")[0][0].as<std::string>();
    if (encoding != "UTF8") {
      return absl::FailedPreconditionError(
          absl::StrCat("the database's encoding is ", encoding, ", it must be UTF8"));
    }
    ApplyMigrations(connection, EmbeddedMigrations());
    return absl::OkStatus();
  } catch (const pqxx::broken_connection& e) {
    lease.Discard();
    return absl::UnavailableError(absl::StrCat("database: ", e.what()));
  } catch (const std::exception& e) {
    lease.Discard();
    return absl::FailedPreconditionError(absl::StrCat("database migration: ", e.what()));
  }
}

}  // namespace paddock
