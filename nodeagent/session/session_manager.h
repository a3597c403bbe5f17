#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "nodeagent/session/serial_executor.h"
#include "nodeagent/session/session_decision.h"
#include "nodeagent/session/session_metrics.h"
#include "nodeagent/session/session_record.h"
#include "nodeagent/session/start_step.h"
#include "nodeagent/session/tombstone_log.h"

namespace paddock::nodeagent {

struct SessionManagerOptions {
  int workers = 16;
  std::string boot_id;
  absl::Duration start_timeout = absl::Seconds(30);
  absl::Duration destroy_timeout = absl::Seconds(10);
  absl::Duration retry_initial = absl::Milliseconds(100);
  absl::Duration retry_maximum = absl::Seconds(10);
  // A start that an agent's crash interrupted so often is given up.
  int max_start_attempts = 3;
  // Called after each start with the status that it led to, from a worker, with no lock held.
  std::function<void(const SessionStatus&)> on_start_done = [](const SessionStatus&) {};
};

// Statuses as they were at one moment, for one message to the control plane.
struct StatusReport {
  std::vector<SessionStatus> statuses;
  int64_t version = 0;
};

// Every session of this node: what is wanted, what is there, and one serial worker each that brings
// the second to the first (session_decision.h). What a step made is on disk before the next step
// acts, and nothing is acknowledged before it is on disk. Thread-safe. Callbacks are called exactly
// once, from a worker, with no lock held; they must not block.
class SessionManager {
 public:
  using PutDone = std::function<void(absl::StatusOr<SessionStatus>)>;
  using StopDone = std::function<void(absl::StatusOr<std::optional<SessionStatus>>)>;

  SessionManager(const SessionManagerOptions& options, const NodeResources* resources,
                 TombstoneLog* tombstones, SessionMetrics* metrics, Clock* clock);
  // Leaves the sessions as they are; callbacks that wait are answered with CANCELLED.
  ~SessionManager();

  // Starts `spec`, or joins its start; `done` (may be null) hears when it is RUNNING or TERMINATED.
  // Refused, and `done` never called, with FAILED_PRECONDITION when this or a later generation was
  // seen or stopped, with INVALID_ARGUMENT for an id or limits that can't be. When it returns OK,
  // the session is among the statuses.
  absl::Status Put(const SessionSpec& spec, PutDone done);

  // Ends the session up to and including `generation`; `done` (may be null) hears its last status
  // when nothing of it is left and the tombstone is on disk. Refused as Put is, for an id that
  // can't be.
  absl::Status Stop(const std::string& session_id, int64_t generation, StopDone done);

  // A record that an earlier process wrote, before anything else is called. RUNNING ones are
  // adopted (their container is alive), TERMINATED ones are removed as far as they aren't yet, any
  // other is removed and, with `start_again`, started once more.
  void Restore(SessionRecord record, bool start_again);
  // Waits until no worker is busy, e.g. until what Restore found is swept.
  bool WaitIdle(absl::Duration timeout) { return executor_.WaitIdle(timeout); }

  std::vector<SessionStatus> Statuses() const;
  // Without the durations of steps.
  StatusReport ReportAll() const;
  // Those whose newest status isn't acknowledged.
  StatusReport ReportUnacknowledged() const;
  void Acknowledge(const StatusReport& report);
  // Called when something changed that nobody who waits is told: an end, an incident, a start that
  // was asked for without `done`. Must be quick, and must not set a listener. Returns when no call
  // of the old one is under way.
  void SetChangeListener(std::function<void()> listener) ABSL_LOCKS_EXCLUDED(listeners_mutex_);
  // Called on the session's worker before the record of a session that ran is removed. The same
  // rules.
  void SetGoneListener(std::function<void(const std::string&)> listener)
      ABSL_LOCKS_EXCLUDED(listeners_mutex_);

  // A RUNNING session of this generation. NOT_FOUND when it isn't here, FAILED_PRECONDITION when it
  // isn't RUNNING or is of another generation.
  absl::StatusOr<SessionRecord> GetRunning(const std::string& session_id, int64_t generation) const;
  std::vector<SessionRecord> ListRunning() const;
  // Digests of the images that sessions of any phase name; none for the node's base image.
  std::set<std::string> ImagesInUse() const;
  // Of a session of this generation that is here or wanted here; nullopt otherwise.
  std::optional<SessionPhase> PhaseOf(const std::string& session_id, int64_t generation) const;

  // What happened inside a running sandbox that goes on, such as OOM_KILLED.
  void NoteIncident(const std::string& session_id, int64_t generation, absl::string_view reason,
                    const std::string& message);

  // What NoteIncident told as `reason` is over; does nothing when something else was told since.
  void EndIncident(const std::string& session_id, int64_t generation, absl::string_view reason);

  // Adds or drops an exec that left processes behind; `done` once it is on disk.
  void SetBackgroundExec(const std::string& session_id, int64_t generation,
                         const std::string& exec_id, bool present, std::function<void()> done);

 private:
  // `ticket`: the tombstone that must be durable before it is answered.
  struct PutWaiter {
    int64_t generation;
    uint64_t ticket;
    PutDone done;
  };
  struct StopWaiter {
    int64_t generation;
    uint64_t ticket;
    StopDone done;
    std::optional<SessionStatus> last;
  };
  // Only the session's worker erases it or touches `record`'s resources.
  struct Entry {
    std::optional<SessionRecord> record;
    std::optional<SessionSpec> wanted;
    int wanted_attempts = 0;
    int64_t stop_generation = 0;
    uint64_t ticket = 0;  // Of its newest tombstone.
    std::optional<ContainerExit> exit;
    std::vector<PutWaiter> put_waiters;
    std::vector<StopWaiter> stop_waiters;
    int64_t version = 0;
    int64_t acknowledged = 0;
    absl::Duration retry = absl::ZeroDuration();
  };
  using Answers = std::vector<std::function<void()>>;

  absl::Status ValidateSpec(const SessionSpec& spec) const;
  absl::Status Admit(const SessionSpec& spec, Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Entry* FindOrAdd(const std::string& session_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Entry* Find(const std::string& session_id) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  static SessionView ViewOf(const Entry& entry);
  void Post(const std::string& session_id);
  // Posts again after a delay that grows.
  void PostRetry(const std::string& session_id, Entry* entry);

  // On the session's worker:
  void Reconcile(const std::string& session_id);
  void Start(const std::string& session_id, Entry* entry);
  absl::Status RunSteps(Entry* entry, StartContext* context);
  absl::Status RunStep(StartStep* step, Entry* entry, StartContext* context);
  void HandleExit(const std::string& session_id, Entry* entry);
  // False: try again later.
  bool Remove(Entry* entry);
  bool RemoveUnknown(const std::string& session_id, Entry* entry);
  absl::Status UndoSteps(const SessionRecord& record, bool keep_volume);
  absl::Status DropRecord(const SessionRecord& record);
  void Forget(const std::string& session_id, Entry* entry);
  absl::Status Persist(const SessionRecord& record);
  absl::Status PersistOrDrop(const SessionRecord& record);
  bool Superseded(Entry* entry);
  void SetRecord(Entry* entry, const SessionRecord& record);
  // Answers whoever has nothing more to wait for, and erases an entry at rest.
  void Settle(const std::string& session_id, Entry* entry);
  // Of those whose ticket is at most `ticket`, which `durable` is about.
  Answers CollectAnswers(Entry* entry, uint64_t ticket, const absl::Status& durable)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WatchExit(const SessionRecord& record);
  void OnExit(const std::string& session_id, int64_t generation, const ContainerExit& exit);
  SessionStatus DescribeExit(const SessionRecord& record, const ContainerExit& exit);

  void Changed(Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NotifyListener() ABSL_LOCKS_EXCLUDED(listeners_mutex_);
  void NotifyGone(const std::string& session_id) ABSL_LOCKS_EXCLUDED(listeners_mutex_);
  static void AppendStatuses(const Entry& entry, std::vector<SessionStatus>* statuses);

  const SessionManagerOptions options_;
  const NodeResources* const resources_;
  TombstoneLog* const tombstones_;
  SessionMetrics* const metrics_;
  Clock* const clock_;
  const std::vector<std::unique_ptr<StartStep>> steps_;

  // Held for reading while a listener is called, so that whoever replaces one knows it idle.
  absl::Mutex listeners_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listeners_mutex_);
  std::function<void(const std::string&)> gone_listener_ ABSL_GUARDED_BY(listeners_mutex_);

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  // What the runtimes' exit watches, which may outlive the manager, reach it through.
  struct Mailbox {
    absl::Mutex mutex;
    SessionManager* manager ABSL_GUARDED_BY(mutex) = nullptr;
  };
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  SerialExecutor executor_;  // Last: its threads use the rest.
};

}  // namespace paddock::nodeagent
