#include "tests/bench/fleet/fleet_system.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace paddock::bench {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(120);

// A port that is free now; nobody else takes it before our own program does, as a rule.
absl::StatusOr<std::string> FreeAddress() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  const bool ok = bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  close(fd);
  if (!ok) return absl::InternalError("no free port");
  return absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
}

// As deploy/lib/database.sh has them; durable.
std::vector<std::string> QuickstartSettings() {
  return {"max_connections=200",
          "fsync=on",
          "synchronous_commit=on",
          "full_page_writes=on",
          "wal_compression=lz4",
          "max_wal_size=2GB",
          "min_wal_size=256MB",
          "checkpoint_timeout=15min",
          "shared_buffers=512MB",
          "jit=off",
          "max_parallel_workers_per_gather=0",
          "random_page_cost=1.1",
          "autovacuum_naptime=15s",
          "autovacuum_vacuum_scale_factor=0.05"};
}

}  // namespace

absl::StatusOr<std::unique_ptr<FleetSystem>> FleetSystem::Start(const Options& options) {
  std::unique_ptr<FleetSystem> system(new FleetSystem(options));
  PADDOCK_RETURN_IF_ERROR(system->StartDatabase());
  PADDOCK_RETURN_IF_ERROR(system->StartControlPlane());
  PADDOCK_RETURN_IF_ERROR(system->StartNodes());
  return system;
}

std::string FleetSystem::LogFile(const std::string& name) const {
  return absl::StrCat(options_.directory, "/fleet_bench-", options_.nodes, "-", name, ".log");
}

absl::Status FleetSystem::StartDatabase() {
  std::vector<std::string> settings = QuickstartSettings();
  if (options_.statements) {
    settings.insert(settings.end(), {"shared_preload_libraries=pg_stat_statements",
                                     "pg_stat_statements.track=all"});
  }
  PADDOCK_ASSIGN_OR_RETURN(postgres_, PostgresServer::Start({options_.directory, settings}));
  PADDOCK_ASSIGN_OR_RETURN(database_url_, postgres_->CreateDatabase());
  return absl::OkStatus();
}

absl::Status FleetSystem::StartControlPlane() {
  const std::string program = options_.control_plane;
  const ChildProcess::Environment environment = {{"PADDOCK_DATABASE_URL", database_url_}};
  PADDOCK_ASSIGN_OR_RETURN(ChildProcess key,
                           ChildProcess::Start({program, "create-api-key", "--name=fleet_bench"},
                                               environment, LogFile("create-api-key")));
  PADDOCK_ASSIGN_OR_RETURN(const std::string printed, key.WaitForEnd());
  // The secret is the last line, after what was logged.
  const std::string text(absl::StripAsciiWhitespace(printed));
  endpoint_.api_key = text.substr(text.rfind('\n') + 1);
  std::filesystem::remove(LogFile("create-api-key"));
  const TlsFiles server = certificates_.Issue("server");
  const TlsFiles internal = certificates_.Issue("control-plane", {kControlPlaneRole});
  PADDOCK_ASSIGN_OR_RETURN(endpoint_.address, FreeAddress());
  PADDOCK_ASSIGN_OR_RETURN(internal_address_, FreeAddress());
  PADDOCK_ASSIGN_OR_RETURN(endpoint_.metrics, FreeAddress());
  endpoint_.ca_file = certificates_.ca_file();
  PADDOCK_ASSIGN_OR_RETURN(
      ChildProcess process,
      ChildProcess::Start(
          {program, absl::StrCat("--listen=", endpoint_.address),
           "--http_listen=", absl::StrCat("--internal_listen=", internal_address_),
           absl::StrCat("--metrics_listen=", endpoint_.metrics),
           absl::StrCat("--tls_cert=", server.cert), absl::StrCat("--tls_key=", server.key),
           absl::StrCat("--ca=", internal.ca), absl::StrCat("--cert=", internal.cert),
           absl::StrCat("--key=", internal.key)},
          environment, LogFile("controlplane")));
  control_plane_ = std::make_unique<ChildProcess>(std::move(process));
  return control_plane_->WaitForOutput("msg=serving", kStartTimeout);
}

absl::Status FleetSystem::StartNodes() {
  for (int i = 0; i < options_.nodes; ++i) {
    const std::string id = NewId(kNodePrefix, absl::Now());
    certificates_.Issue(id, {NodeRole(id)});
  }
  PADDOCK_ASSIGN_OR_RETURN(
      ChildProcess process,
      ChildProcess::Start(
          {options_.hollow_fleet, absl::StrCat("--certificates=", certificates_.directory()),
           absl::StrCat("--registry=", internal_address_)},
          {}, LogFile("hollow_fleet")));
  hollow_fleet_ = std::make_unique<ChildProcess>(std::move(process));
  return hollow_fleet_->WaitForOutput("joined", kStartTimeout);
}

}  // namespace paddock::bench
