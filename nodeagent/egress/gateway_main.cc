#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway.h"
#include "nodeagent/egress/gateway_cgroup.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/system/append_file.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

// Where the process that was called waits for the one in the background.
struct Detached {
  bool is_child = false;
  UniqueFd ready;  // The child's end: a line is written when it serves.
};

// Waits until the child serves. Returns the exit code for the calling process.
int WaitUntilReady(int pipe) {
  char answer = 0;
  ssize_t size;
  do {
    size = read(pipe, &answer, 1);
  } while (size < 0 && errno == EINTR);
  return size == 1 ? 0 : 1;
}

// Detaches from the caller's session and parent.
absl::StatusOr<Detached> Detach(int* exit_code) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return ErrnoStatus("making a pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  pid_t child = fork();
  if (child < 0) return ErrnoStatus("going to the background");
  if (child > 0) {
    writer.reset();
    *exit_code = WaitUntilReady(reader.get());
    return Detached{};
  }
  setsid();
  return Detached{true, std::move(writer)};
}

absl::Status RedirectOutput(const std::string& log_file) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd log, OpenForAppend(log_file));
  UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.valid() || dup2(null.get(), STDIN_FILENO) < 0 || dup2(log.get(), STDOUT_FILENO) < 0 ||
      dup2(log.get(), STDERR_FILENO) < 0) {
    return ErrnoStatus("redirecting output");
  }
  return absl::OkStatus();
}

// Held as long as the process lives, so that there are never two.
absl::StatusOr<UniqueFd> LockAlone(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("opening ", path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
    return absl::AlreadyExistsError("another gateway process runs already");
  }
  return fd;
}

absl::Status WritePidFile(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(uint64_t start_time, ProcessStartTime(getpid()));
  nlohmann::json json = {{"pid", getpid()}, {"start_time", start_time}};
  return ReplaceFile(path, json.dump());
}

// SIGTERM and SIGINT stop the loop; the caller keeps the descriptor.
absl::StatusOr<UniqueFd> WatchSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus("watching signals");
  return fd;
}

absl::Status Serve(const GatewayOptions& options, UniqueFd ready) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd lock, LockAlone(options.LockFile()));
  PADDOCK_RETURN_IF_ERROR(WritePidFile(options.PidFile()));
  PADDOCK_RETURN_IF_ERROR(EnterGatewayCgroups(options.instance));
  // The last one to go when memory is short; not everyone may ask for that.
  WriteControlFile("/proc/self/oom_score_adj", "-900").IgnoreError();
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd signals, WatchSignals());
  PADDOCK_ASSIGN_OR_RETURN(std::unique_ptr<Gateway> gateway, Gateway::Create(options));
  PADDOCK_RETURN_IF_ERROR(gateway->StopOn(signals.get()));
  LogInfo("gateway serves", {{"instance", options.instance}, {"subnet", options.subnet}});
  if (ready.valid()) PADDOCK_RETURN_IF_ERROR(WriteAll(ready.get(), "\n"));
  ready.reset();
  return gateway->Run();
}

absl::StatusOr<GatewayOptions> ReadOptions(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  PADDOCK_ASSIGN_OR_RETURN(nlohmann::json json, ParseJsonObject(text));
  return OptionsFromJson(json);
}

}  // namespace

int GatewayMain(int argc, char** argv) {
  absl::string_view config = argc > 1 ? argv[1] : "";
  bool foreground = argc == 3 && absl::string_view(argv[2]) == "--foreground";
  if (!absl::ConsumePrefix(&config, "--config=") || argc > (foreground ? 3 : 2)) {
    fprintf(stderr, "usage: gateway --config=FILE [--foreground] (run by the agent)\n");
    return 2;
  }
  absl::StatusOr<GatewayOptions> options = ReadOptions(std::string(config));
  if (!options.ok()) {
    LogError("gateway can't read its configuration", {{"error", options.status().ToString()}});
    return 1;
  }
  UniqueFd ready;
  if (!foreground) {
    int exit_code = 1;
    absl::StatusOr<Detached> detached = Detach(&exit_code);
    if (!detached.ok() || !detached->is_child) return exit_code;
    ready = std::move(detached->ready);
    if (!RedirectOutput(options->LogFile()).ok()) return 1;
  }
  prctl(PR_SET_NAME, "paddock-gateway");
  absl::Status status = Serve(*options, std::move(ready));
  if (!status.ok()) LogError("gateway ends", {{"error", status.ToString()}});
  return status.ok() ? 0 : 1;
}

}  // namespace paddock::nodeagent
