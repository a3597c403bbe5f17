#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nodeagent/init/fallback_client.h"
#include "nodeagent/init/init_client.h"
#include "nodeagent/session/session_record.h"
#include "nodeagent/session/start_step.h"

namespace paddock::nodeagent {

// How commands get into each session: by its PID 1, and by the OCI runtime's exec where that
// doesn't answer or where the runtime's sandboxes take no socket. Knows nothing of a session that a
// restarted agent couldn't learn again. Thread-safe.
class ExecClients {
 public:
  // `resources` must outlive this and what it makes.
  explicit ExecClients(const NodeResources* resources,
                       absl::Duration patience = FallbackOptions().patience)
      : resources_(resources), patience_(patience) {}

  // A client for one command, whose cgroup is <session>/exec-<exec_id>.
  std::unique_ptr<InitClient> Make(const SessionRecord& record, const std::string& exec_id);
  // Forgets the session.
  void OnSessionGone(const std::string& session_id);

 private:
  struct Known {
    int64_t generation = 0;
    std::shared_ptr<InitHealth> health;
  };
  std::shared_ptr<InitHealth> HealthOf(const SessionRecord& record);

  const NodeResources* const resources_;
  const absl::Duration patience_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Known> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paddock::nodeagent
