// How SessionManager starts a session, on its worker.
#include <utility>

#include "common/errors.h"
#include "common/log.h"
#include "nodeagent/session/failure_reason.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {

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
  const SessionSpec& spec = record.spec;
  const auto fail = [&record](absl::string_view reason, absl::Status status) {
    record.status.reason = std::string(reason);
    record.status.message = std::string(status.message());
    return status;
  };
  absl::Status status =
      MakeDirectories(resources_->paths->SessionDir(record.spec.session_id), 0711);
  if (status.ok()) status = Persist(record);
  if (!status.ok()) return fail(FailureReason("record", status, spec.keep_volume), status);
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
    if (!status.ok()) return fail(FailureReason(step->name(), status, spec.keep_volume), status);
  }
  record.status.phase = SessionPhase::kRunning;
  record.status.started_at = clock_->Now();
  status = Persist(record);
  if (!status.ok()) return fail(FailureReason("record", status, spec.keep_volume), status);
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
