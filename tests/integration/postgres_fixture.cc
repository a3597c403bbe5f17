#include "tests/integration/postgres_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <pqxx/pqxx>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/log.h"

namespace paddock {
namespace {

constexpr char kBin[] = "/usr/lib/postgresql/15/bin/";
constexpr absl::Duration kStartTimeout = absl::Seconds(60);

// Runs `arguments` as postgres with its output in `log`; ends with SIGQUIT when this process does.
absl::StatusOr<pid_t> SpawnAsPostgres(std::vector<std::string> arguments, const std::string& log) {
  std::vector<std::string> command = {"setpriv",        "--reuid=postgres",    "--regid=postgres",
                                      "--clear-groups", "--pdeathsig=SIGQUIT", "--"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
  char locale[] = "LC_ALL=C.UTF-8";
  char* environment[] = {path, locale, nullptr};
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::InternalError(absl::StrCat("spawn: ", strerror(error)));
  return pid;
}

// Removes what test processes that were killed have left; their servers ended with them.
void SweepStaleDirectories(const std::string& parent) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
    if (!absl::StartsWith(entry.path().filename().string(), "paddock-postgres-")) continue;
    std::ifstream owner(entry.path() / "owner");
    pid_t pid = 0;
    if (owner >> pid && kill(pid, 0) != 0 && errno == ESRCH) {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }
}

absl::Status WaitFor(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(absl::StrCat("process ended with status ", status));
  }
  return absl::OkStatus();
}

struct Child {
  pid_t pid;
  std::string title;  // As `ps` shows it.
};

std::vector<Child> ChildrenOf(pid_t parent) {
  std::vector<Child> children;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    std::ifstream stat(entry.path() / "stat");
    std::string line;
    std::getline(stat, line);
    // The name is in parentheses and may hold anything; then come state and parent.
    std::istringstream rest(line.substr(std::min(line.size(), line.rfind(')') + 2)));
    std::string state;
    pid_t of = 0;
    if (!(rest >> state >> of) || of != parent) continue;
    std::ifstream command(entry.path() / "cmdline");
    std::string title;
    std::getline(command, title, '\0');
    children.push_back({pid, title});
  }
  return children;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresServer>> PostgresServer::Start(const Options& options) {
  if (geteuid() != 0) return absl::FailedPreconditionError("needs root");
  SweepStaleDirectories(options.parent);
  std::string directory = options.parent + "/paddock-postgres-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return absl::InternalError("mkdtemp");
  chmod(directory.c_str(), 0777);
  std::ofstream(directory + "/owner") << getpid();
  std::unique_ptr<PostgresServer> server(new PostgresServer(directory, options.settings));
  absl::StatusOr<pid_t> initdb = SpawnAsPostgres(
      {absl::StrCat(kBin, "initdb"), "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8",
       "--auth=trust", "--username=postgres", "-D", directory + "/data"},
      directory + "/initdb.log");
  if (!initdb.ok()) return initdb.status();
  if (absl::Status status = WaitFor(*initdb); !status.ok()) return status;
  if (absl::Status status = server->StartServer(); !status.ok()) return status;
  return server;
}

absl::Status PostgresServer::StartServer() {
  std::vector<std::string> command = {absl::StrCat(kBin, "postgres"),
                                      "-D",
                                      directory_ + "/data",
                                      "-k",
                                      directory_,
                                      "-c",
                                      "listen_addresses="};
  for (const std::string& setting : settings_) command.insert(command.end(), {"-c", setting});
  absl::StatusOr<pid_t> pid = SpawnAsPostgres(std::move(command), directory_ + "/server.log");
  if (!pid.ok()) return pid.status();
  pid_ = *pid;
  const absl::Time deadline = absl::Now() + kStartTimeout;
  while (absl::Now() < deadline) {
    try {
      pqxx::connection connection(Url("postgres"));
      return absl::OkStatus();
    } catch (const std::exception&) {
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return absl::InternalError("the server ended; see server.log");
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  return absl::DeadlineExceededError("the server doesn't answer");
}

std::string PostgresServer::Url(const std::string& database) const {
  return absl::StrCat("host=", directory_, " user=postgres dbname=", database);
}

absl::StatusOr<std::string> PostgresServer::CreateDatabase() {
  const std::string name = absl::StrCat("test_", getpid(), "_", ++databases_);
  try {
    pqxx::connection connection(Url("postgres"));
    pqxx::nontransaction(connection).exec("CREATE DATABASE " + name);
    return Url(name);
  } catch (const std::exception& e) {
    return absl::InternalError(e.what());
  }
}

void PostgresServer::Signal(int signal) {
  if (pid_ <= 0) return;
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void PostgresServer::Hang(Part part) {
  const bool all = part == Part::kAll;
  // First the one that makes the others.
  if (all) stopped_.push_back(pid_);
  if (all) kill(pid_, SIGSTOP);
  for (const Child& child : ChildrenOf(pid_)) {
    // Backends are `postgres: USER DATABASE …`, and all users are postgres.
    if (!all && !absl::StartsWith(child.title, "postgres: postgres ")) continue;
    kill(child.pid, SIGSTOP);
    stopped_.push_back(child.pid);
  }
}

void PostgresServer::Continue() {
  for (const pid_t pid : stopped_) kill(pid, SIGCONT);
  stopped_.clear();
}

void PostgresServer::Crash() { Signal(SIGQUIT); }

PostgresServer::~PostgresServer() {
  Continue();
  Signal(SIGQUIT);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

PostgresServer& PostgresServer::Shared() {
  static std::unique_ptr<PostgresServer> server;
  if (server == nullptr) {
    absl::StatusOr<std::unique_ptr<PostgresServer>> started = Start();
    if (!started.ok()) {
      LogError("no PostgreSQL for tests", {{"error", started.status().ToString()}});
      abort();
    }
    server = *std::move(started);
  }
  return *server;
}

}  // namespace paddock
