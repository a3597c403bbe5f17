#include "tests/bench/bare_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"

extern char** environ;

namespace paddock::bench {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);

struct RunResult {
  absl::Duration first_output;
  absl::Duration total;
};

// Runs `argv` to its end with stdout and stderr read here. Errors: the command's own last words.
absl::StatusOr<RunResult> RunCommand(const std::vector<std::string>& argv, bool capture,
                                     const std::string& cwd = "") {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return absl::InternalError("pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (capture) {
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
  } else {
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  }
  if (!cwd.empty()) posix_spawn_file_actions_addchdir_np(&actions, cwd.c_str());
  std::vector<char*> args;
  for (const std::string& word : argv) args.push_back(const_cast<char*>(word.c_str()));
  args.push_back(nullptr);
  const absl::Time start = absl::Now();
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, args[0], &actions, nullptr, args.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_fds[1]);
  if (error != 0) {
    close(pipe_fds[0]);
    return absl::InternalError(absl::StrCat("can't run ", argv[0]));
  }
  RunResult result;
  std::string output;
  char buffer[4096];
  while (capture) {
    pollfd event{pipe_fds[0], POLLIN, 0};
    if (poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(kTimeout))) <= 0) {
      kill(pid, SIGKILL);
      break;
    }
    const ssize_t n = read(pipe_fds[0], buffer, sizeof(buffer));
    if (n <= 0) break;
    if (output.empty()) result.first_output = absl::Now() - start;
    output.append(buffer, static_cast<size_t>(n));
  }
  close(pipe_fds[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.total = absl::Now() - start;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(
        absl::StrCat(absl::StrJoin(argv, " "), ": status ", status, ": ", output));
  }
  return result;
}

}  // namespace

absl::StatusOr<BareRuntime> BareRuntime::Create(const std::string& runtime,
                                                const std::string& rootfs) {
  char name[] = "/tmp/paddock-bench-XXXXXX";
  if (mkdtemp(name) == nullptr) return absl::InternalError("mkdtemp");
  BareRuntime bare(runtime, name);
  PADDOCK_RETURN_IF_ERROR(bare.WriteConfig("once", {"/bin/echo", "ready"}, rootfs));
  PADDOCK_RETURN_IF_ERROR(bare.WriteConfig("sleeper", {"/bin/sleep", "600"}, rootfs));
  return bare;
}

BareRuntime::~BareRuntime() {
  if (directory_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

absl::Status BareRuntime::WriteConfig(const std::string& name, const std::vector<std::string>& args,
                                      const std::string& rootfs) {
  const std::string bundle = absl::StrCat(directory_, "/", name);
  std::filesystem::create_directories(bundle);
  PADDOCK_RETURN_IF_ERROR(RunCommand({runtime_, "spec"}, true, bundle).status());
  nlohmann::json config = nlohmann::json::parse(std::ifstream(bundle + "/config.json"));
  config["process"]["terminal"] = false;
  config["process"]["args"] = args;
  config["root"]["path"] = rootfs;
  config["root"]["readonly"] = true;
  // Hard limits above this machine's own can't be set everywhere.
  config["process"].erase("rlimits");
  std::ofstream(bundle + "/config.json") << config.dump();
  return absl::OkStatus();
}

// The names of containers are those of their cgroups, too, which all runtimes of the machine share.
std::string BareRuntime::NextId() {
  return absl::StrCat(std::filesystem::path(directory_).filename().string(), "-", next_++);
}

std::vector<std::string> BareRuntime::Command(std::vector<std::string> arguments) const {
  std::vector<std::string> command = {runtime_, "--root", absl::StrCat(directory_, "/state")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

absl::StatusOr<absl::Duration> BareRuntime::RunToFirstOutput() {
  const std::string id = NextId();
  PADDOCK_ASSIGN_OR_RETURN(
      RunResult result,
      RunCommand(Command({"run", "--bundle", absl::StrCat(directory_, "/once"), id}), true));
  return result.first_output;
}

absl::Status BareRuntime::StartSleeper() {
  return RunCommand(Command({"run", "--detach", "--bundle", absl::StrCat(directory_, "/sleeper"),
                             absl::StrCat("bare-sleeper-", getpid())}),
                    false)
      .status();
}

absl::StatusOr<absl::Duration> BareRuntime::Exec() {
  PADDOCK_ASSIGN_OR_RETURN(
      RunResult result,
      RunCommand(Command({"exec", absl::StrCat("bare-sleeper-", getpid()), "/bin/echo", "ready"}),
                 true));
  return result.total;
}

absl::Status BareRuntime::DeleteSleeper() {
  return RunCommand(Command({"delete", "--force", absl::StrCat("bare-sleeper-", getpid())}), true)
      .status();
}

absl::Status BareRuntime::RunAndDelete() {
  const std::string id = NextId();
  PADDOCK_RETURN_IF_ERROR(
      RunCommand(Command({"run", "--detach", "--bundle", absl::StrCat(directory_, "/sleeper"), id}),
                 false)
          .status());
  return RunCommand(Command({"delete", "--force", id}), true).status();
}

absl::StatusOr<std::string> FindRootfs(const std::string& home) {
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(
      home, std::filesystem::directory_options::skip_permission_denied, error);
  for (; !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    if (it.depth() > 6) it.disable_recursion_pending();
    if (it->path().filename() == "rootfs" &&
        it->path().string().find("/layers/") != std::string::npos) {
      return it->path().string();
    }
    if (it->path().filename() == "pgdata") it.disable_recursion_pending();
  }
  return absl::NotFoundError(absl::StrCat("no base image below ", home, "; use --rootfs"));
}

}  // namespace paddock::bench
