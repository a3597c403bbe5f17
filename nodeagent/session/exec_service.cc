#include "nodeagent/session/exec_service.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {
namespace {

std::string ExecCgroup(const std::string& session_id, const std::string& exec_id) {
  return absl::StrCat(session_id, "/exec-", exec_id);
}

bool HasOpenStream(const ExecStreams& streams) {
  return streams.stdout_read.valid() || streams.stderr_read.valid() || streams.terminal.valid();
}

}  // namespace

ExecService::ExecService(SessionManager* manager, CgroupManager* cgroups, PollLoop* loop,
                         SerialExecutor* executor, InitFactory init_factory,
                         IncidentMonitor* incidents, SessionMetrics* metrics, Clock* clock)
    : manager_(manager),
      cgroups_(cgroups),
      loop_(loop),
      executor_(executor),
      init_factory_(std::move(init_factory)),
      incidents_(incidents),
      metrics_(metrics),
      clock_(clock),
      lingering_(loop) {}

ExecService::~ExecService() {
  std::vector<std::shared_ptr<ExecProcess>> running;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [session_id, execs] : sessions_) {
      for (auto& [exec_id, exec] : execs) running.push_back(exec.process);
    }
  }
  for (const auto& process : running) process->Cancel(errors::ExecInterrupted());
  // What it posted uses this.
  if (!executor_->WaitIdle(kKillTimeout)) LogWarning("commands are still being killed at the end");
}

absl::StatusOr<std::shared_ptr<ExecProcess>> ExecService::Create(
    const std::string& session_id, int64_t generation, ExecSpec spec, absl::Duration timeout,
    std::shared_ptr<ExecListener> listener) {
  auto prepared = std::make_unique<Prepared>();
  prepared->begun = clock_->Monotonic();
  prepared->spec = std::move(spec);
  prepared->timeout = timeout;
  PADDOCK_ASSIGN_OR_RETURN(prepared->record, manager_->GetRunning(session_id, generation));
  const std::string exec_id = NewId("", clock_->Now());
  auto process = std::make_shared<ExecProcess>(
      loop_, exec_id, std::move(listener),
      [this, record = prepared->record, exec_id](ExecProcess::End end, std::function<void()> then) {
        OnEnd(record, exec_id, std::move(end), std::move(then));
      });
  absl::MutexLock lock(&mutex_);
  Execs& execs = sessions_[session_id];
  if (execs.size() >= kMaxExecsPerSession) {
    return errors::TooManyExecs(session_id, kMaxExecsPerSession);
  }
  execs[exec_id] = Exec{process, std::move(prepared)};
  return process;
}

void ExecService::Launch(const std::string& session_id,
                         const std::shared_ptr<ExecProcess>& process) {
  std::shared_ptr<Prepared> prepared;
  {
    absl::MutexLock lock(&mutex_);
    const auto execs = sessions_.find(session_id);
    if (execs == sessions_.end()) return;
    const auto exec = execs->second.find(process->exec_id());
    if (exec != execs->second.end()) prepared = std::move(exec->second.prepared);
  }
  if (prepared == nullptr) return;  // Cancelled already.
  if (prepared->timeout != absl::InfiniteDuration()) {
    loop_->CallAfter(prepared->timeout, [weak = std::weak_ptr<ExecProcess>(process)] {
      if (auto self = weak.lock()) self->Cancel(errors::DeadlineExceeded("the command"));
    });
  }
  executor_->Post(session_id, [this, prepared, process] { StartOnWorker(*prepared, process); });
}

void ExecService::StartOnWorker(const Prepared& prepared,
                                const std::shared_ptr<ExecProcess>& process) {
  const absl::StatusOr<int> procs =
      cgroups_->CreateExec(prepared.record.spec.session_id, process->exec_id());
  const absl::Status sandbox_ended = MakeError(
      ErrorReason::kExecInterrupted, "the session's sandbox ended, and the command with it");
  if (absl::IsNotFound(procs.status())) return process->FailStart(sandbox_ended);
  if (!procs.ok()) return process->FailStart(procs.status());
  const UniqueFd procs_fd(*procs);
  ExecStreams streams;
  auto handle = init_factory_(prepared.record, process->exec_id())
                    ->Exec(prepared.spec, procs_fd.get(), &streams, kStartTimeout);
  if (!handle.ok()) {
    // A sandbox that ends just then makes it fail in one of many ways.
    const SessionSpec& spec = prepared.record.spec;
    const bool runs = manager_->GetRunning(spec.session_id, spec.generation).ok();
    return process->FailStart(runs ? handle.status() : sandbox_ended);
  }
  // When it was cancelled meanwhile, the task that kills it is behind this one in the queue.
  if (!process->Attach(*std::move(handle), std::move(streams))) return;
  metrics_->ExecStarted(clock_->Monotonic() - prepared.begun);
}

void ExecService::OnEnd(const SessionRecord& record, const std::string& exec_id,
                        ExecProcess::End end, std::function<void()> then) {
  {
    absl::MutexLock lock(&mutex_);
    const auto execs = sessions_.find(record.spec.session_id);
    if (execs != sessions_.end()) {
      execs->second.erase(exec_id);
      if (execs->second.empty()) sessions_.erase(execs);
    }
  }
  if (end.exited) return OnExit(record, exec_id, std::move(end), then);
  metrics_->ExecEnded("failed");
  executor_->Post(record.spec.session_id, [this, record, exec_id, then = std::move(then)] {
    KillTree(record, exec_id);
    then();
  });
}

void ExecService::OnExit(const SessionRecord& record, const std::string& exec_id,
                         ExecProcess::End end, const std::function<void()>& then) {
  const std::string& id = record.spec.session_id;
  metrics_->ExecEnded(end.exit.signal != 0 ? "signaled" : "exited");
  const bool failed = end.exit.signal != 0 || end.exit.code != 0;
  if (HasOpenStream(end.streams)) lingering_.Add(id, std::move(end.streams));
  // Before the removal of its cgroup, which may take a while: users look for the reason at once.
  if (failed) executor_->Post(id, [this, record] { incidents_->Check(record); });
  if (cgroups_->IsEmpty(ExecCgroup(id, exec_id))) {
    then();
    executor_->Post(id, [this, id, exec_id] { RemoveCgroup(id, exec_id); });
  } else {
    // On disk before the client hears of the end, or a restarted agent would kill them.
    manager_->SetBackgroundExec(id, record.spec.generation, exec_id, /*present=*/true, then);
  }
}

void ExecService::KillTree(const SessionRecord& record, const std::string& exec_id) {
  const std::string& id = record.spec.session_id;
  if (absl::Status status = cgroups_->Kill(ExecCgroup(id, exec_id), kKillTimeout);
      !status.ok() && !absl::IsNotFound(status)) {
    LogWarning("can't kill a command's processes",
               {{"session_id", id}, {"exec_id", exec_id}, {"error", status.ToString()}});
  }
  RemoveCgroup(id, exec_id);
  incidents_->Check(record);
}

void ExecService::RemoveCgroup(const std::string& session_id, const std::string& exec_id) {
  // One that can't be removed now goes with the session's.
  absl::Status status = cgroups_->Remove(ExecCgroup(session_id, exec_id));
  if (!status.ok()) {
    LogDebug("a command's cgroup stays for now",
             {{"session_id", session_id}, {"exec_id", exec_id}, {"error", status.ToString()}});
  }
}

void ExecService::OnSessionGone(const std::string& session_id) {
  lingering_.Drop(session_id);
  incidents_->OnSessionGone(session_id);
}

void ExecService::Sweep() {
  for (const SessionRecord& record : manager_->ListRunning()) {
    const std::string& id = record.spec.session_id;
    for (const std::string& exec_id : record.background_execs) {
      if (!cgroups_->IsEmpty(ExecCgroup(id, exec_id))) continue;
      executor_->Post(id, [this, id, exec_id] { RemoveCgroup(id, exec_id); });
      manager_->SetBackgroundExec(id, record.spec.generation, exec_id, /*present=*/false, nullptr);
    }
  }
}

int ExecService::running() const {
  absl::MutexLock lock(&mutex_);
  int count = 0;
  for (const auto& [id, execs] : sessions_) count += static_cast<int>(execs.size());
  return count;
}

}  // namespace paddock::nodeagent
