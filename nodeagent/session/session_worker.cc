// The part of SessionManager that runs on a session's worker.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/session/failure_reason.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {

void SessionManager::Reconcile(const std::string& session_id) {
  Entry* entry;
  {
    absl::MutexLock lock(&mutex_);
    entry = Find(session_id);
  }
  if (entry == nullptr) return;
  bool go_on = true;
  while (go_on) {
    SessionAction action;
    {
      absl::MutexLock lock(&mutex_);
      action = Decide(ViewOf(*entry));
    }
    switch (action) {
      case SessionAction::kNone:
        go_on = false;
        break;
      case SessionAction::kStart:
        Start(session_id, entry);
        break;
      case SessionAction::kHandleExit:
        HandleExit(session_id, entry);
        break;
      case SessionAction::kRemove:
        go_on = Remove(entry);
        break;
      case SessionAction::kRemoveUnknown:
        go_on = RemoveUnknown(session_id, entry);
        break;
      case SessionAction::kForget:
        Forget(session_id, entry);
        break;
    }
  }
  Settle(session_id, entry);
}

void SessionManager::Start(const std::string& session_id, Entry* entry) {
  const absl::Duration begun = clock_->Monotonic();
  StartContext context;
  {
    absl::MutexLock lock(&mutex_);
    // A stop may have come since this was decided.
    if (!entry->wanted.has_value()) return;
    context.record.spec = *std::exchange(entry->wanted, std::nullopt);
    context.record.start_attempts = entry->wanted_attempts + 1;
    context.record.boot_id = options_.boot_id;
    context.record.status.session_id = session_id;
    context.record.status.generation = context.record.spec.generation;
    entry->exit.reset();
  }
  SetRecord(entry, context.record);
  const absl::Status status = RunSteps(entry, &context);
  SessionStatus& result = context.record.status;
  if (Superseded(entry)) {
    result.phase = SessionPhase::kStopping;
    metrics_->StartDone("stopped", clock_->Monotonic() - begun);
  } else if (!status.ok()) {
    result.phase = SessionPhase::kTerminated;
    result.ended_at = clock_->Now();
    metrics_->StartDone("failed", clock_->Monotonic() - begun);
    metrics_->SessionEnded(result.reason);
    LogWarning("session didn't start", {{"session_id", session_id},
                                        {"generation", result.generation},
                                        {"reason", result.reason},
                                        {"error", status.ToString()}});
    (void)Persist(context.record).ok();  // Without it the next agent tries once more.
  } else {
    metrics_->StartDone("running", clock_->Monotonic() - begun);
  }
  options_.on_start_done(result);
  SetRecord(entry, context.record);
  if (result.phase == SessionPhase::kRunning) WatchExit(context.record);
  Settle(session_id, entry);
}

absl::Status SessionManager::RunSteps(Entry* entry, StartContext* context) {
  SessionRecord& record = context->record;
  const auto fail = [&record](absl::string_view reason, absl::Status status) {
    record.status.reason = std::string(reason);
    record.status.message = std::string(status.message());
    return status;
  };
  absl::Status status =
      MakeDirectories(resources_->paths->SessionDir(record.spec.session_id), 0711);
  if (status.ok()) status = Persist(record);
  if (!status.ok()) return fail(FailureReason("record", status), status);
  if (record.start_attempts > options_.max_start_attempts) {
    return fail(kReasonStartFailed, absl::AbortedError("the node agent ended during each start"));
  }
  if (record.spec.network.policy.kind == NetworkPolicy::Kind::kNone) {
    return fail(kReasonStartFailed,
                absl::InvalidArgumentError("its network policy can't be read by this node, and a "
                                           "session never runs with more than it asked for"));
  }
  const std::string& runtime = record.spec.runtime_class;
  const auto refused = resources_->refused_runtimes.find(runtime);
  if (refused != resources_->refused_runtimes.end()) {
    return fail(kReasonStartFailed, errors::RuntimeClassUnavailable(runtime, refused->second));
  }
  if (resources_->runtimes.count(runtime) == 0) {
    return fail(kReasonStartFailed, errors::RuntimeClassUnavailable(runtime, "not on this node"));
  }
  context->container = DescribeContainer(*resources_->paths, record);
  for (const std::unique_ptr<StartStep>& step : steps_) {
    if (Superseded(entry)) return absl::CancelledError("stopped while starting");
    status = RunStep(step.get(), entry, context);
    if (!status.ok()) return fail(FailureReason(step->name(), status), status);
  }
  record.status.phase = SessionPhase::kRunning;
  record.status.started_at = clock_->Now();
  status = Persist(record);
  if (!status.ok()) return fail(FailureReason("record", status), status);
  return absl::OkStatus();
}

absl::Status SessionManager::RunStep(StartStep* step, Entry* entry, StartContext* context) {
  const absl::Duration begun = clock_->Monotonic();
  absl::Status status = step->Do(*context);
  const absl::Duration took = clock_->Monotonic() - begun;
  context->record.status.step_durations[std::string(step->name())] = took;
  metrics_->StepDone(step->name(), took, status.ok());
  if (!step->ChangesRecord()) return status;
  // Also after a failure: what the step made half is given back by the record.
  SetRecord(entry, context->record);
  const bool last = step == steps_.back().get();
  // The last step's result is written with the phase.
  if (status.ok() && !last) status = Persist(context->record);
  return status;
}

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

absl::Status SessionManager::DropRecord(const SessionRecord& record) {
  const std::string& id = record.spec.session_id;
  // The record first: whatever of the directory a crash leaves has no meaning without it.
  PADDOCK_RETURN_IF_ERROR(RemoveFile(resources_->paths->SessionFile(id)));
  return RemoveTree(resources_->paths->SessionDir(id));
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

absl::Status SessionManager::Persist(const SessionRecord& record) {
  return ReplaceFile(resources_->paths->SessionFile(record.spec.session_id),
                     EncodeSessionRecord(record));
}

absl::Status SessionManager::PersistOrDrop(const SessionRecord& record) {
  if (Persist(record).ok()) return absl::OkStatus();
  // No room: without a record the next agent knows nothing of it, which is nearer to the truth than
  // a record that still names what is about to be given to others.
  return RemoveFile(resources_->paths->SessionFile(record.spec.session_id));
}

bool SessionManager::Superseded(Entry* entry) {
  absl::MutexLock lock(&mutex_);
  return IsSuperseded(ViewOf(*entry));
}

void SessionManager::SetRecord(Entry* entry, const SessionRecord& record) {
  bool news = false;
  {
    absl::MutexLock lock(&mutex_);
    const SessionPhase phase = record.status.phase;
    const bool changed = !entry->record.has_value() ||
                         entry->record->spec.generation != record.spec.generation ||
                         entry->record->status.phase != phase;
    entry->record = record;
    if (changed) {
      Changed(entry);
      // Who waits for the start is answered; heartbeats tell the rest.
      news = entry->put_waiters.empty() &&
             (phase == SessionPhase::kRunning || phase == SessionPhase::kTerminated);
    }
  }
  if (news) NotifyListener();
}

void SessionManager::Settle(const std::string& session_id, Entry* entry) {
  uint64_t ticket;
  {
    absl::MutexLock lock(&mutex_);
    ticket = entry->ticket;
  }
  const absl::Status durable = tombstones_->WaitDurable(ticket);
  Answers answers;
  {
    absl::MutexLock lock(&mutex_);
    answers = CollectAnswers(entry, ticket, durable);
    const bool at_rest = !entry->record.has_value() && !entry->wanted.has_value() &&
                         entry->stop_generation == 0 && entry->put_waiters.empty() &&
                         entry->stop_waiters.empty();
    if (at_rest) entries_.erase(session_id);
  }
  for (const std::function<void()>& answer : answers) answer();
}

SessionManager::Answers SessionManager::CollectAnswers(Entry* entry, uint64_t ticket,
                                                       const absl::Status& durable) {
  // Whoever came after the wait has a later ticket, and a turn of its own follows.
  Answers answers;
  const int64_t here = entry->record.has_value() ? entry->record->spec.generation : 0;
  const int64_t wanted = entry->wanted.has_value() ? entry->wanted->generation : 0;
  std::vector<PutWaiter> puts;
  for (PutWaiter& waiter : entry->put_waiters) {
    const SessionPhase phase = here != 0 ? entry->record->status.phase : SessionPhase::kPending;
    const bool settled = phase == SessionPhase::kRunning || phase == SessionPhase::kTerminated;
    const bool under_way = waiter.generation == wanted || (waiter.generation == here && !settled);
    if (under_way || waiter.ticket > ticket) {
      puts.push_back(std::move(waiter));
      continue;
    }
    absl::StatusOr<SessionStatus> answer =
        absl::FailedPreconditionError("stopped or replaced before it was running");
    if (waiter.generation == here) answer = entry->record->status;
    if (!durable.ok()) answer = durable;
    answers.push_back([done = std::move(waiter.done), answer] { done(answer); });
  }
  entry->put_waiters = std::move(puts);
  std::vector<StopWaiter> stops;
  for (StopWaiter& waiter : entry->stop_waiters) {
    const bool under_way = here != 0 && here <= waiter.generation;
    if (under_way || waiter.ticket > ticket) {
      stops.push_back(std::move(waiter));
      continue;
    }
    if (waiter.last.has_value() && waiter.last->phase != SessionPhase::kTerminated) {
      waiter.last->phase = SessionPhase::kTerminated;
      waiter.last->reason = std::string(kReasonStopped);
      waiter.last->message.clear();
      waiter.last->ended_at = clock_->Now();
    }
    absl::StatusOr<std::optional<SessionStatus>> answer = waiter.last;
    if (!durable.ok()) answer = durable;
    answers.push_back([done = std::move(waiter.done), answer] { done(answer); });
  }
  entry->stop_waiters = std::move(stops);
  return answers;
}

void SessionManager::WatchExit(const SessionRecord& record) {
  ContainerRuntime* const runtime = resources_->RuntimeOf(record);
  if (runtime == nullptr) return;
  runtime->WatchExit(*record.container, record.spec.session_id,
                     [mailbox = mailbox_, session_id = record.spec.session_id,
                      generation = record.spec.generation](const ContainerExit& exit) {
                       absl::MutexLock lock(&mailbox->mutex);
                       if (mailbox->manager != nullptr)
                         mailbox->manager->OnExit(session_id, generation, exit);
                     });
}

void SessionManager::OnExit(const std::string& session_id, int64_t generation,
                            const ContainerExit& exit) {
  {
    absl::MutexLock lock(&mutex_);
    Entry* entry = Find(session_id);
    if (entry == nullptr || !entry->record.has_value() ||
        entry->record->spec.generation != generation) {
      return;
    }
    entry->exit = exit;
  }
  Post(session_id);
}

}  // namespace paddock::nodeagent
