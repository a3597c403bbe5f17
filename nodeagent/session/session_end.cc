// How SessionManager ends a session and removes what is left of it, on its worker.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {

void SessionManager::HandleExit(const std::string& session_id, Entry* entry) {
  SessionRecord record;
  ContainerExit exit;
  {
    absl::MutexLock lock(&mutex_);
    record = *entry->record;
    exit = *std::exchange(entry->exit, std::nullopt);
  }
  record.status = DescribeExit(record, exit);
  metrics_->SessionEnded(record.status.reason);
  LogInfo("session ended by itself", {{"session_id", session_id},
                                      {"generation", record.spec.generation},
                                      {"reason", record.status.reason},
                                      {"exit_code", exit.exit_code},
                                      {"signal", exit.signal}});
  if (absl::Status status = Persist(record); !status.ok()) {
    LogWarning("can't write down how a session ended",
               {{"session_id", session_id}, {"error", status.ToString()}});
  }
  SetRecord(entry, record);
  Settle(session_id, entry);
}

SessionStatus SessionManager::DescribeExit(const SessionRecord& record, const ContainerExit& exit) {
  SessionStatus status = record.status;
  status.phase = SessionPhase::kTerminated;
  status.ended_at = clock_->Now();
  if (exit.exit_code >= 0) status.exit_code = exit.exit_code;
  status.signal = exit.signal;
  bool fenced = false;
  if (record.spec.on_node_loss == OnNodeLoss::kReschedule) {
    const auto ids = resources_->gateway->ListFenced();
    fenced = ids.ok() && std::find(ids->begin(), ids->end(), record.spec.session_id) != ids->end();
  }
  if (fenced) {
    status.reason = std::string(kReasonFenced);
    status.message = "the node had no contact with the control plane for too long";
  } else if (exit.oom_killed) {
    status.reason = std::string(kReasonOomKilled);
    status.message = absl::StrCat("the sandbox used more than its ",
                                  record.spec.limits.memory_bytes, " bytes of memory");
  } else {
    status.reason = std::string(kReasonContainerExited);
    status.message =
        exit.signal != 0
            ? absl::StrCat("the sandbox was killed by signal ", exit.signal)
            : absl::StrCat("the sandbox ended", exit.exit_code >= 0
                                                    ? absl::StrCat(" with code ", exit.exit_code)
                                                    : std::string());
  }
  return status;
}

bool SessionManager::Remove(Entry* entry) {
  const absl::Duration begun = clock_->Monotonic();
  SessionRecord record;
  SessionView view;
  bool superseded;
  bool keep_volume;
  {
    absl::MutexLock lock(&mutex_);
    view = ViewOf(*entry);
    superseded = IsSuperseded(view);
    if (superseded && entry->record->status.phase != SessionPhase::kTerminated) {
      entry->record->status.phase = SessionPhase::kStopping;
    }
    keep_volume = RemovalKeepsVolume(view);
    record = *entry->record;
  }
  const std::string& session_id = record.spec.session_id;
  NotifyGone(session_id);
  absl::Status status = UndoSteps(record, keep_volume);
  const SessionRecord before = record;
  if (status.ok()) {
    record.pair.reset();
    record.container.reset();
    record.background_execs.clear();
    record.removed = true;
    status = superseded ? DropRecord(record) : PersistOrDrop(record);
  }
  for (const auto& step : steps_) {
    if (status.ok()) status = step->GiveBack(before);
  }
  metrics_->RemoveDone(clock_->Monotonic() - begun, status.ok());
  if (!status.ok()) {
    LogWarning("can't remove a session yet", {{"session_id", session_id},
                                              {"generation", record.spec.generation},
                                              {"error", status.ToString()}});
    PostRetry(session_id, entry);
    return false;
  }
  absl::MutexLock lock(&mutex_);
  entry->retry = absl::ZeroDuration();
  entry->exit.reset();
  if (superseded) {
    for (StopWaiter& waiter : entry->stop_waiters) {
      if (!waiter.last.has_value()) waiter.last = record.status;
    }
    entry->record.reset();
    // Unless the removal wasn't for a stop, or another came meanwhile: that one has its own turn.
    if (view.stop_generation >= view.generation && entry->stop_generation == view.stop_generation) {
      entry->stop_generation = 0;
    }
  } else {
    entry->record->pair.reset();
    entry->record->container.reset();
    entry->record->background_execs.clear();
    entry->record->removed = true;
  }
  return true;
}

bool SessionManager::RemoveUnknown(const std::string& session_id, Entry* entry) {
  // No record, so no process, pair or gateway entry: those were swept. Only a volume can be here.
  absl::Status status = resources_->volumes->Destroy(session_id);
  if (!status.ok()) {
    LogWarning("can't remove a volume yet",
               {{"session_id", session_id}, {"error", status.ToString()}});
    PostRetry(session_id, entry);
    return false;
  }
  absl::MutexLock lock(&mutex_);
  entry->retry = absl::ZeroDuration();
  entry->stop_generation = 0;
  return true;
}

absl::Status SessionManager::UndoSteps(const SessionRecord& record, bool keep_volume) {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    absl::Status status = (*step)->Undo(record, keep_volume);
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat((*step)->name(), ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

void SessionManager::Forget(const std::string& session_id, Entry* entry) {
  SessionRecord record;
  {
    absl::MutexLock lock(&mutex_);
    record = *entry->record;
  }
  // From here on the tombstone alone refuses a late Put of this generation.
  absl::Status status =
      tombstones_->RecordStopped(session_id, record.spec.generation, clock_->Now()).status();
  if (status.ok()) status = DropRecord(record);
  if (!status.ok()) {
    LogWarning("can't drop a session's record",
               {{"session_id", session_id}, {"error", status.ToString()}});
  }
  absl::MutexLock lock(&mutex_);
  entry->record.reset();
}

absl::Status SessionManager::DropRecord(const SessionRecord& record) {
  const std::string& id = record.spec.session_id;
  // The record first: whatever of the directory a crash leaves has no meaning without it.
  PADDOCK_RETURN_IF_ERROR(RemoveFile(resources_->paths->SessionFile(id)));
  return RemoveTree(resources_->paths->SessionDir(id));
}

}  // namespace paddock::nodeagent
