#include "nodeagent/runtime/exit_registry.h"

#include <csignal>
#include <optional>
#include <set>
#include <utility>

#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/system/pidfd.h"

namespace paddock::nodeagent {
namespace {

// Processes that detach from their parent may end a moment after it; many starts share one look.
constexpr absl::Duration kReapDelay = absl::Milliseconds(100);

bool SameProcess(const RunningContainer& a, const RunningContainer& b) {
  return a.pid == b.pid && a.start_time == b.start_time;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExitRegistry>> ExitRegistry::Create(CgroupManager* cgroups) {
  std::unique_ptr<ExitRegistry> registry(new ExitRegistry(cgroups));
  PADDOCK_ASSIGN_OR_RETURN(registry->watcher_, ExitWatcher::Create());
  return registry;
}

absl::Status ExitRegistry::Track(const std::string& cgroup, const RunningContainer& container) {
  PADDOCK_ASSIGN_OR_RETURN(UniqueFd pidfd, PidfdOpenChecked(container.pid, container.start_time));
  {
    absl::MutexLock lock(&mutex_);
    const auto it = entries_.find(cgroup);
    if (it != entries_.end() && SameProcess(it->second.container, container)) {
      return absl::OkStatus();
    }
    Entry entry;
    entry.container = container;
    entries_[cgroup] = std::move(entry);
  }
  return watcher_->Watch(std::move(pidfd),
                         [this, cgroup, container](int fd) { HandleExit(cgroup, container, fd); });
}

void ExitRegistry::HandleExit(const std::string& cgroup, const RunningContainer& container,
                              int pidfd) {
  ContainerExit exit;
  const std::optional<ExitStatus> status = TakeExitStatus(pidfd);
  if (status.has_value()) {
    exit.exit_code = status->exit_code;
    exit.signal = status->signal;
  }
  const absl::StatusOr<CgroupUsage> usage = cgroups_->Usage(cgroup);
  exit.oom_killed =
      usage.ok() && usage->oom_kills > 0 && (!status.has_value() || status->signal == SIGKILL);
  Callback callback;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = entries_.find(cgroup);
    if (it == entries_.end() || !SameProcess(it->second.container, container)) return;
    it->second.ended = true;
    it->second.exit = exit;
    if (it->second.callback == nullptr) return;
    callback = std::move(it->second.callback);
    entries_.erase(it);
  }
  callback(exit);
}

void ExitRegistry::OnExit(const std::string& cgroup, const RunningContainer& container,
                          Callback callback) {
  // OK for a container of this agent; one that an earlier agent started is tracked from here on.
  Track(cgroup, container).IgnoreError();
  ContainerExit exit;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = entries_.find(cgroup);
    if (it != entries_.end() && SameProcess(it->second.container, container)) {
      if (!it->second.ended) {
        it->second.callback = std::move(callback);
        return;
      }
      exit = it->second.exit;
      entries_.erase(it);
    }
  }
  CallLater(exit, callback);
}

void ExitRegistry::CallLater(ContainerExit exit, const Callback& callback) {
  const absl::Status status =
      watcher_->Post(absl::ZeroDuration(), [exit, callback] { callback(exit); });
  if (!status.ok()) LogError("the end of a container wasn't told", {{"reason", status.ToString()}});
}

void ExitRegistry::NameHelpers(const std::string& comm) {
  absl::MutexLock lock(&mutex_);
  helper_comms_.insert(comm);
}

absl::Status ExitRegistry::ReapAtEnd(UniqueFd pidfd) {
  return watcher_->Watch(std::move(pidfd), [](int fd) { (void)TakeExitStatus(fd); });
}

void ExitRegistry::ReapLater() {
  {
    absl::MutexLock lock(&mutex_);
    if (reaping_planned_) return;
    reaping_planned_ = true;
  }
  const absl::Status status = watcher_->Post(kReapDelay, [this] { Reap(); });
  if (!status.ok()) LogError("orphans aren't reaped", {{"reason", status.ToString()}});
}

void ExitRegistry::Reap() {
  std::set<pid_t> known;
  std::set<std::string> comms;
  {
    absl::MutexLock lock(&mutex_);
    reaping_planned_ = false;
    comms = helper_comms_;
    for (const auto& [cgroup, entry] : entries_) known.insert(entry.container.pid);
  }
  ReapOrphans(known, comms);
}

void ExitRegistry::Forget(const std::string& cgroup) {
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(cgroup);
  // Whoever asked still hears of it.
  if (it != entries_.end() && it->second.callback == nullptr) entries_.erase(it);
}

}  // namespace paddock::nodeagent
