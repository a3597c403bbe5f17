// The part of SessionManager that runs on a session's worker: what is done next, what is written
// down, who is answered. session_start.cc and session_end.cc hold the two ways.
#include <utility>

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

}  // namespace paddock::nodeagent
