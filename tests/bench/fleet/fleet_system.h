#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/fleet/child_process.h"
#include "tests/integration/postgres_fixture.h"
#include "tests/support/paddock_client.h"
#include "tests/support/test_certificates.h"

namespace paddock::bench {

// A system for one measurement: a PostgreSQL of its own with the quickstart's settings, one
// replica of the control plane, and a fleet of hollow nodes in one process. All of it ends and is
// removed with the object. Needs root. Not thread-safe.
class FleetSystem {
 public:
  struct Options {
    int nodes = 0;
    std::string control_plane;  // The program.
    std::string hollow_fleet;   // The program.
    std::string directory;      // Where the database and logs go; on a real disk.
    bool statements = false;    // The database counts statements (pg_stat_statements).
  };

  // Answers when every node has registered and has sent a heartbeat.
  static absl::StatusOr<std::unique_ptr<FleetSystem>> Start(const Options& options);

  const testing::Endpoint& endpoint() const { return endpoint_; }
  const std::string& database_url() const { return database_url_; }
  pid_t postgres() const { return postgres_->pid(); }
  pid_t control_plane() const { return control_plane_->pid(); }
  pid_t nodes() const { return hollow_fleet_->pid(); }

 private:
  explicit FleetSystem(const Options& options) : options_(options) {}
  absl::Status StartDatabase();
  absl::Status StartControlPlane();
  absl::Status StartNodes();
  std::string LogFile(const std::string& name) const;

  const Options options_;
  testing::TestCertificates certificates_;
  std::unique_ptr<PostgresServer> postgres_;
  std::string database_url_;
  std::string internal_address_;
  std::unique_ptr<ChildProcess> control_plane_;
  std::unique_ptr<ChildProcess> hollow_fleet_;
  testing::Endpoint endpoint_;
};

}  // namespace paddock::bench
