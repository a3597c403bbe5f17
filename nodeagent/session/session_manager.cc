#include "nodeagent/session/session_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {

SessionManager::SessionManager(const SessionManagerOptions& options, const NodeResources* resources,
                               TombstoneLog* tombstones, SessionMetrics* metrics, Clock* clock)
    : options_(options),
      resources_(resources),
      tombstones_(tombstones),
      metrics_(metrics),
      clock_(clock),
      steps_(MakeStartSteps(resources, options.start_timeout, options.destroy_timeout)),
      executor_(options.workers) {
  absl::MutexLock lock(&mailbox_->mutex);
  mailbox_->manager = this;
}

SessionManager::~SessionManager() {
  {
    absl::MutexLock lock(&mailbox_->mutex);
    mailbox_->manager = nullptr;
  }
  executor_.Shutdown();
  std::vector<PutWaiter> puts;
  std::vector<StopWaiter> stops;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [id, entry] : entries_) {
      for (PutWaiter& waiter : entry->put_waiters) puts.push_back(std::move(waiter));
      for (StopWaiter& waiter : entry->stop_waiters) stops.push_back(std::move(waiter));
    }
    entries_.clear();
  }
  const absl::Status ending = absl::CancelledError("the node agent is ending");
  for (PutWaiter& waiter : puts) waiter.done(ending);
  for (StopWaiter& waiter : stops) waiter.done(ending);
}

absl::Status SessionManager::ValidateSpec(const SessionSpec& spec) const {
  if (!IsWellFormedId(kSessionPrefix, spec.session_id)) {
    return absl::InvalidArgumentError("session_id: not a session's id");
  }
  if (spec.generation < 1) return absl::InvalidArgumentError("generation: must be positive");
  const SandboxLimits& limits = spec.limits;
  if (limits.cpu_millis < 1 || limits.memory_bytes < 1 || limits.pids < 1 ||
      limits.disk_bytes < 1) {
    return absl::InvalidArgumentError("limits: must be positive");
  }
  return absl::OkStatus();
}

SessionManager::Entry* SessionManager::FindOrAdd(const std::string& session_id) {
  std::unique_ptr<Entry>& entry = entries_[session_id];
  if (entry == nullptr) entry = std::make_unique<Entry>();
  return entry.get();
}

SessionManager::Entry* SessionManager::Find(const std::string& session_id) const {
  const auto it = entries_.find(session_id);
  return it == entries_.end() ? nullptr : it->second.get();
}

absl::Status SessionManager::Admit(const SessionSpec& spec, Entry* entry) {
  const int64_t here = entry->record.has_value() ? entry->record->spec.generation : 0;
  const int64_t wanted = entry->wanted.has_value() ? entry->wanted->generation : 0;
  const TombstoneLog::Entry tombstone = tombstones_->Get(spec.session_id);
  const int64_t stopped = std::max(tombstone.stopped, entry->stop_generation);
  if (spec.generation <= stopped) {
    return errors::StaleGeneration(spec.session_id, spec.generation, stopped);
  }
  const int64_t newest = std::max({here, wanted, tombstone.seen});
  if (spec.generation < newest) {
    return errors::StaleGeneration(spec.session_id, spec.generation, newest);
  }
  if (spec.generation == here || spec.generation == wanted) return absl::OkStatus();  // Joins it.
  PADDOCK_ASSIGN_OR_RETURN(
      entry->ticket, tombstones_->RecordSeen(spec.session_id, spec.generation, clock_->Now()));
  entry->wanted = spec;
  entry->wanted_attempts = 0;
  return absl::OkStatus();
}

absl::Status SessionManager::Put(const SessionSpec& spec, PutDone done) {
  PADDOCK_RETURN_IF_ERROR(ValidateSpec(spec));
  absl::Status admitted;
  {
    absl::MutexLock lock(&mutex_);
    Entry* entry = FindOrAdd(spec.session_id);
    admitted = Admit(spec, entry);
    if (admitted.ok() && done != nullptr) {
      entry->put_waiters.push_back({spec.generation, entry->ticket, std::move(done)});
    }
  }
  // Also after a refusal: the entry may have been made for it and has to go again.
  Post(spec.session_id);
  return admitted;
}

absl::Status SessionManager::Stop(const std::string& session_id, int64_t generation,
                                  StopDone done) {
  if (!IsWellFormedId(kSessionPrefix, session_id) || generation < 1) {
    return absl::InvalidArgumentError("session_id or generation can't be");
  }
  absl::MutexLock lock(&mutex_);
  PADDOCK_ASSIGN_OR_RETURN(const uint64_t ticket,
                           tombstones_->RecordStopped(session_id, generation, clock_->Now()));
  Entry* entry = FindOrAdd(session_id);
  entry->ticket = std::max(entry->ticket, ticket);
  entry->stop_generation = std::max(entry->stop_generation, generation);
  if (entry->wanted.has_value() && entry->wanted->generation <= generation) entry->wanted.reset();
  if (done != nullptr) {
    std::optional<SessionStatus> last;
    if (entry->record.has_value()) last = entry->record->status;
    entry->stop_waiters.push_back({generation, ticket, std::move(done), std::move(last)});
  }
  Post(session_id);
  return absl::OkStatus();
}

void SessionManager::Restore(SessionRecord record, bool start_again) {
  const std::string session_id = record.spec.session_id;
  const bool running = record.status.phase == SessionPhase::kRunning;
  const bool ended = record.status.phase == SessionPhase::kTerminated;
  // Whatever else it was, it is half-made or half-removed.
  if (!running && !ended) record.status.phase = SessionPhase::kStopping;
  {
    absl::MutexLock lock(&mutex_);
    Entry* entry = FindOrAdd(session_id);
    if (start_again) {
      entry->wanted = record.spec;
      entry->wanted_attempts = record.start_attempts;
    }
    entry->record = record;
    Changed(entry);
  }
  if (running) {
    WatchExit(record);
  } else {
    Post(session_id);
  }
}

std::vector<SessionStatus> SessionManager::Statuses() const { return ReportAll().statuses; }

void SessionManager::AppendStatuses(const Entry& entry, std::vector<SessionStatus>* statuses) {
  if (entry.record.has_value()) {
    statuses->push_back(entry.record->status);
    statuses->back().step_durations.clear();
  }
  // What was accepted counts as here from then on, or its absence would be read as its end.
  if (!entry.wanted.has_value()) return;
  SessionStatus status;
  status.session_id = entry.wanted->session_id;
  status.generation = entry.wanted->generation;
  statuses->push_back(std::move(status));
}

StatusReport SessionManager::ReportAll() const {
  StatusReport report;
  absl::MutexLock lock(&mutex_);
  report.version = version_;
  report.statuses.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) {
    AppendStatuses(*entry, &report.statuses);
  }
  return report;
}

StatusReport SessionManager::ReportUnacknowledged() const {
  StatusReport report;
  absl::MutexLock lock(&mutex_);
  report.version = version_;
  for (const auto& [id, entry] : entries_) {
    if (entry->record.has_value() && entry->version > entry->acknowledged) {
      report.statuses.push_back(entry->record->status);
    }
  }
  return report;
}

void SessionManager::Acknowledge(const StatusReport& report) {
  std::vector<std::string> ended;
  {
    absl::MutexLock lock(&mutex_);
    for (const SessionStatus& status : report.statuses) {
      Entry* entry = Find(status.session_id);
      if (entry == nullptr || !entry->record.has_value() ||
          entry->record->spec.generation != status.generation) {
        continue;
      }
      entry->acknowledged = std::max(entry->acknowledged, report.version);
      if (Decide(ViewOf(*entry)) == SessionAction::kForget) ended.push_back(status.session_id);
    }
  }
  for (const std::string& session_id : ended) Post(session_id);
}

absl::StatusOr<SessionRecord> SessionManager::GetRunning(const std::string& session_id,
                                                         int64_t generation) const {
  absl::MutexLock lock(&mutex_);
  const Entry* entry = Find(session_id);
  if (entry == nullptr || !entry->record.has_value()) {
    if (entry != nullptr && entry->wanted.has_value()) {
      return errors::SessionNotRunning(session_id, "STARTING", "");
    }
    return errors::SessionNotFound(session_id);
  }
  const SessionRecord& record = *entry->record;
  if (generation != record.spec.generation) {
    return errors::StaleGeneration(session_id, generation, record.spec.generation);
  }
  if (record.status.phase != SessionPhase::kRunning || IsSuperseded(ViewOf(*entry))) {
    return errors::SessionNotRunning(session_id, SessionPhaseName(record.status.phase),
                                     record.status.reason);
  }
  return record;
}

std::set<std::string> SessionManager::ImagesInUse() const {
  std::set<std::string> images;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, entry] : entries_) {
    if (entry->record.has_value()) images.insert(entry->record->spec.image_digest);
    if (entry->wanted.has_value()) images.insert(entry->wanted->image_digest);
  }
  images.erase("");
  return images;
}

std::optional<SessionPhase> SessionManager::PhaseOf(const std::string& session_id,
                                                    int64_t generation) const {
  absl::MutexLock lock(&mutex_);
  const Entry* entry = Find(session_id);
  if (entry == nullptr) return std::nullopt;
  if (entry->wanted.has_value() && entry->wanted->generation == generation) {
    return SessionPhase::kStarting;
  }
  if (!entry->record.has_value() || entry->record->spec.generation != generation) {
    return std::nullopt;
  }
  return IsSuperseded(ViewOf(*entry)) ? SessionPhase::kStopping : entry->record->status.phase;
}

std::vector<SessionRecord> SessionManager::ListRunning() const {
  std::vector<SessionRecord> running;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, entry] : entries_) {
    if (entry->record.has_value() && entry->record->status.phase == SessionPhase::kRunning) {
      running.push_back(*entry->record);
    }
  }
  return running;
}

void SessionManager::NoteIncident(const std::string& session_id, int64_t generation,
                                  absl::string_view reason, const std::string& message) {
  {
    absl::MutexLock lock(&mutex_);
    Entry* entry = Find(session_id);
    if (entry == nullptr || !entry->record.has_value()) return;
    SessionStatus& status = entry->record->status;
    if (status.generation != generation || status.phase != SessionPhase::kRunning) return;
    if (status.reason == reason && status.message == message) return;
    status.reason = std::string(reason);
    status.message = message;
    Changed(entry);
  }
  NotifyListener();
}

void SessionManager::EndIncident(const std::string& session_id, int64_t generation,
                                 absl::string_view reason) {
  {
    absl::MutexLock lock(&mutex_);
    Entry* entry = Find(session_id);
    if (entry == nullptr || !entry->record.has_value()) return;
    SessionStatus& status = entry->record->status;
    if (status.generation != generation || status.phase != SessionPhase::kRunning) return;
    if (status.reason != reason) return;
    status.reason.clear();
    status.message.clear();
    Changed(entry);
  }
  NotifyListener();
}

void SessionManager::SetBackgroundExec(const std::string& session_id, int64_t generation,
                                       const std::string& exec_id, bool present,
                                       std::function<void()> done) {
  executor_.Post(session_id, [this, session_id, generation, exec_id, present,
                              done = std::move(done)] {
    std::optional<SessionRecord> record;
    {
      absl::MutexLock lock(&mutex_);
      Entry* entry = Find(session_id);
      if (entry != nullptr && entry->record.has_value() &&
          entry->record->spec.generation == generation &&
          entry->record->status.phase == SessionPhase::kRunning) {
        std::set<std::string>& execs = entry->record->background_execs;
        if (present ? execs.insert(exec_id).second : execs.erase(exec_id) > 0) {
          record = entry->record;
        }
      }
    }
    if (record.has_value()) {
      if (absl::Status status = Persist(*record); !status.ok()) {
        LogWarning("can't note an exec's background processes; a restart of the agent ends them",
                   {{"session_id", session_id}, {"error", status.ToString()}});
      }
    }
    if (done) done();
  });
}

SessionView SessionManager::ViewOf(const Entry& entry) {
  SessionView view;
  view.wanted_generation = entry.wanted.has_value() ? entry.wanted->generation : 0;
  view.wanted_keeps_volume = entry.wanted.has_value() && entry.wanted->keep_volume;
  view.stop_generation = entry.stop_generation;
  view.exited = entry.exit.has_value();
  view.acknowledged = entry.acknowledged >= entry.version;
  if (entry.record.has_value()) {
    view.has_record = true;
    view.generation = entry.record->spec.generation;
    view.phase = entry.record->status.phase;
    view.removed = entry.record->removed;
    view.keeps_volume = entry.record->KeepsVolume();
  }
  return view;
}

void SessionManager::Post(const std::string& session_id) {
  executor_.Post(session_id, [this, session_id] { Reconcile(session_id); });
}

void SessionManager::PostRetry(const std::string& session_id, Entry* entry) {
  entry->retry = entry->retry == absl::ZeroDuration()
                     ? options_.retry_initial
                     : std::min(entry->retry * 2, options_.retry_maximum);
  executor_.PostAfter(entry->retry, session_id, [this, session_id] { Reconcile(session_id); });
}

void SessionManager::Changed(Entry* entry) { entry->version = ++version_; }

void SessionManager::SetChangeListener(std::function<void()> listener) {
  absl::WriterMutexLock lock(&listeners_mutex_);
  listener_ = std::move(listener);
}

void SessionManager::SetGoneListener(std::function<void(const std::string&)> listener) {
  absl::WriterMutexLock lock(&listeners_mutex_);
  gone_listener_ = std::move(listener);
}

void SessionManager::NotifyListener() {
  absl::ReaderMutexLock lock(&listeners_mutex_);
  if (listener_) listener_();
}

void SessionManager::NotifyGone(const std::string& session_id) {
  absl::ReaderMutexLock lock(&listeners_mutex_);
  if (gone_listener_) gone_listener_(session_id);
}

}  // namespace paddock::nodeagent
