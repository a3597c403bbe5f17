#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace paddock {

// A real PostgreSQL 15 server for tests: a cluster of its own in a temporary directory, reached by
// a Unix socket, run as the user postgres. It ends with the object, and with the test process
// however that ends. Not thread-safe. Needs root and Debian's postgresql-15.
class PostgresServer {
 public:
  struct Options {
    std::string parent = "/tmp";  // Of its directory.
    // Below what the server itself needs. Tests have nothing to lose in a crash of the machine.
    std::vector<std::string> settings = {"fsync=off", "max_connections=200", "shared_buffers=64MB"};
  };

  // Initialises and starts; waits until it answers.
  static absl::StatusOr<std::unique_ptr<PostgresServer>> Start(const Options& options);
  static absl::StatusOr<std::unique_ptr<PostgresServer>> Start() { return Start(Options()); }
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // One for the whole test process, started at the first call. Aborts when it can't be started.
  static PostgresServer& Shared();

  // Makes an empty database with a new name; answers its connection string.
  absl::StatusOr<std::string> CreateDatabase();

  // Stops (SIGSTOP) what serves clients without ending it: everything, or the backends of open
  // connections only. Continue lets them go on.
  enum class Part { kAll, kBackends };
  void Hang(Part part);
  void Continue();

  // As a crash does it: SIGQUIT, nothing is written. Start again with StartServer.
  void Crash();
  absl::Status StartServer();
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }

 private:
  PostgresServer(std::string directory, std::vector<std::string> settings)
      : directory_(std::move(directory)), settings_(std::move(settings)) {}
  std::string Url(const std::string& database) const;
  void Signal(int signal);

  const std::string directory_;
  const std::vector<std::string> settings_;
  pid_t pid_ = -1;
  std::vector<pid_t> stopped_;
  int databases_ = 0;
};

}  // namespace paddock
