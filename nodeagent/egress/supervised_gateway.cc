#include "nodeagent/egress/supervised_gateway.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/replace_file.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(20);
constexpr absl::Duration kEndTimeout = absl::Seconds(10);
constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLastRetry = absl::Seconds(1);
constexpr size_t kLogLines = 5;

std::string LogTail(const std::string& path) {
  std::vector<std::string> lines =
      absl::StrSplit(ReadFile(path).value_or("(no log)"), '\n', absl::SkipEmpty());
  size_t first = lines.size() > kLogLines ? lines.size() - kLogLines : 0;
  return absl::StrJoin(lines.begin() + static_cast<ptrdiff_t>(first), lines.end(), "\n");
}

// Ends a process that doesn't answer.
absl::Status EndHungProcess(int pidfd) {
  LogWarning("gateway process doesn't answer; it is killed");
  PADDOCK_RETURN_IF_ERROR(PidfdKill(pidfd, SIGKILL));
  pollfd poller = {pidfd, POLLIN, 0};
  int ready = poll(&poller, 1, static_cast<int>(absl::ToInt64Milliseconds(kEndTimeout)));
  return ready == 1 ? absl::OkStatus() : absl::DeadlineExceededError("gateway can't be killed");
}

absl::Status StartOne(const GatewayOptions& options) {
  SpawnSpec spec;
  spec.argv = {options.binary, "gateway", absl::StrCat("--config=", options.ConfigFile())};
  SubprocessOptions limits;
  limits.timeout = kStartTimeout;
  PADDOCK_ASSIGN_OR_RETURN(SubprocessResult result, RunSubprocess(spec, limits));
  if (result.ok()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the gateway process can't start: ", LogTail(options.LogFile())));
}

}  // namespace

absl::StatusOr<UniqueFd> FindGateway(const GatewayOptions& options) {
  PADDOCK_ASSIGN_OR_RETURN(std::string text, ReadFile(options.PidFile()));
  absl::StatusOr<nlohmann::json> json = ParseJsonObject(text);
  // Unreadable after a power cut: no process of before it runs.
  if (!json.ok()) return absl::NotFoundError("no gateway process");
  PADDOCK_ASSIGN_OR_RETURN(int64_t pid, IntField(*json, "pid"));
  PADDOCK_ASSIGN_OR_RETURN(int64_t start_time, IntField(*json, "start_time"));
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd pidfd, PidfdOpenChecked(static_cast<pid_t>(pid), start_time));
  if (PidfdExited(pidfd.get())) return absl::NotFoundError("the gateway process has ended");
  return pidfd;
}

absl::StatusOr<std::unique_ptr<GatewayProcess>> GatewayProcess::Start(
    const GatewayOptions& options) {
  auto process = std::make_unique<SupervisedGateway>(options);
  PADDOCK_RETURN_IF_ERROR(process->Begin());
  return process;
}

SupervisedGateway::~SupervisedGateway() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof(one)) < 0) LogError("can't wake the gateway's supervisor");
  thread_.join();
}

absl::Status SupervisedGateway::Begin() {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(options_.directory, 0700));
  stop_.reset(eventfd(0, EFD_CLOEXEC));
  if (!stop_.valid()) return ErrnoStatus("making an eventfd");
  PADDOCK_RETURN_IF_ERROR(Ensure());
  thread_ = std::thread([this] { Supervise(); });
  return absl::OkStatus();
}

absl::Status SupervisedGateway::Ensure() {
  absl::StatusOr<UniqueFd> running = FindGateway(options_);
  if (!running.ok() && !absl::IsNotFound(running.status())) return running.status();
  if (running.ok()) {
    absl::StatusOr<SocketGatewayClient::Identity> identity = client_.Ping();
    if (identity.ok()) {
      if (identity->instance != options_.instance || identity->subnet != options_.subnet) {
        return absl::FailedPreconditionError(
            absl::StrCat("a gateway process of instance ", identity->instance, ", subnet ",
                         identity->subnet, " runs in ", options_.directory, "; clean up first"));
      }
      process_ = *std::move(running);
      return client_.Configure(options_.blocked);
    }
    PADDOCK_RETURN_IF_ERROR(EndHungProcess(running->get()));
  }
  PADDOCK_RETURN_IF_ERROR(ReplaceFile(options_.ConfigFile(), ToJson(options_).dump()));
  PADDOCK_RETURN_IF_ERROR(StartOne(options_));
  PADDOCK_ASSIGN_OR_RETURN(process_, FindGateway(options_));
  return absl::OkStatus();
}

absl::Status SupervisedGateway::Health() {
  {
    absl::MutexLock lock(&mutex_);
    if (!health_.ok()) return health_;
  }
  PADDOCK_ASSIGN_OR_RETURN(SocketGatewayClient::Identity identity, client_.Ping());
  if (identity.operator_problem.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(identity.operator_problem);
}

bool SupervisedGateway::Stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void SupervisedGateway::Supervise() {
  absl::Duration retry = kFirstRetry;
  while (!Stopping()) {
    // Until the process ends; without one, until it is time to try again.
    pollfd pollers[] = {{stop_.get(), POLLIN, 0}, {process_.get(), POLLIN, 0}};
    bool runs = process_.valid();
    int timeout = runs ? -1 : static_cast<int>(absl::ToInt64Milliseconds(retry));
    poll(pollers, runs ? 2 : 1, timeout);
    if (Stopping()) return;
    if (runs && pollers[1].revents == 0) continue;
    if (runs) LogWarning("gateway process ended; another is started");
    process_.reset();
    absl::Status status = Ensure();
    if (!status.ok()) LogError("gateway process isn't back", {{"error", status.ToString()}});
    retry = status.ok() ? kFirstRetry : std::min(retry * 2, kLastRetry);
    absl::MutexLock lock(&mutex_);
    health_ = status;
  }
}

}  // namespace paddock::nodeagent
