#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/runtime/cgroup_manager.h"
#include "nodeagent/session/exec_process.h"
#include "nodeagent/session/incident_monitor.h"
#include "nodeagent/session/lingering_outputs.h"
#include "nodeagent/session/serial_executor.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/session/session_metrics.h"
#include "nodeagent/system/poll_loop.h"

namespace paddock::nodeagent {

// Starts commands in running sessions, each in a cgroup of its own. What is cancelled or timed out
// is killed by its cgroup; a finished command leaves its background processes alone, and their
// cgroup goes when it is empty or with the session. Thread-safe.
class ExecService {
 public:
  static constexpr int kMaxExecsPerSession = 256;
  static constexpr absl::Duration kStartTimeout = absl::Seconds(10);
  static constexpr absl::Duration kKillTimeout = absl::Seconds(10);

  // A client for one command in its cgroup.
  using InitFactory = std::function<std::unique_ptr<InitClient>(const SessionRecord& record,
                                                                const std::string& exec_id)>;

  ExecService(SessionManager* manager, CgroupManager* cgroups, PollLoop* loop,
              SerialExecutor* executor, InitFactory init_factory, IncidentMonitor* incidents,
              SessionMetrics* metrics, Clock* clock);
  // Cancels what runs.
  ~ExecService();

  // Prepares a command; nothing happens until Launch. The listener hears everything after that; an
  // error here means that it hears nothing. Errors as SessionManager::GetRunning, and
  // RESOURCE_EXHAUSTED for too many execs at once. `timeout`: InfiniteDuration for none; when it is
  // over, the exec fails with DEADLINE_EXCEEDED.
  absl::StatusOr<std::shared_ptr<ExecProcess>> Create(const std::string& session_id,
                                                      int64_t generation, ExecSpec spec,
                                                      absl::Duration timeout,
                                                      std::shared_ptr<ExecListener> listener);
  // Once for each command prepared for that session.
  void Launch(const std::string& session_id, const std::shared_ptr<ExecProcess>& process);

  // The session is going: its execs' leftovers are dropped (its processes die with its cgroup).
  void OnSessionGone(const std::string& session_id);

  // Removes cgroups of background processes that have ended. Call it now and then.
  void Sweep();

  int running() const;

 private:
  // What Launch needs to know.
  struct Prepared {
    SessionRecord record;
    ExecSpec spec;
    absl::Duration timeout;
    absl::Duration begun;
  };
  struct Exec {
    std::shared_ptr<ExecProcess> process;
    std::unique_ptr<Prepared> prepared;
  };
  using Execs = absl::flat_hash_map<std::string, Exec>;

  void StartOnWorker(const Prepared& prepared, const std::shared_ptr<ExecProcess>& process);
  void OnEnd(const SessionRecord& record, const std::string& exec_id, ExecProcess::End end,
             std::function<void()> then);
  void OnExit(const SessionRecord& record, const std::string& exec_id, ExecProcess::End end,
              const std::function<void()>& then);
  void KillTree(const SessionRecord& record, const std::string& exec_id);
  void RemoveCgroup(const std::string& session_id, const std::string& exec_id);

  SessionManager* const manager_;
  CgroupManager* const cgroups_;
  PollLoop* const loop_;
  SerialExecutor* const executor_;
  const InitFactory init_factory_;
  IncidentMonitor* const incidents_;
  SessionMetrics* const metrics_;
  Clock* const clock_;
  LingeringOutputs lingering_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Execs> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
