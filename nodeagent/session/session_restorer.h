#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/session/session_manager.h"
#include "nodeagent/session/start_step.h"
#include "nodeagent/session/tombstone_log.h"

namespace paddock::nodeagent {

// What an earlier agent left on this node, read once before this one registers and serves: what
// still runs is adopted, anything else is removed. Volumes of KEEP sessions are never removed for
// being unknown; only a stop does that. Not thread-safe.
class SessionRestorer {
 public:
  // What was found, for the log.
  struct Result {
    int adopted = 0;
    int ended = 0;          // Had ended, or their end was known already.
    int half_made = 0;      // Removed; started again if nobody stopped them.
    int rebooted = 0;       // Of an earlier boot.
    int orphans = 0;        // Gateway entries, cgroups, directories that nobody owns.
    int loose_volumes = 0;  // Volumes without a record, kept.
  };

  SessionRestorer(std::string boot_id, const NodeResources* resources, TombstoneLog* tombstones,
                  SessionManager* manager)
      : boot_id_(std::move(boot_id)),
        resources_(resources),
        tombstones_(tombstones),
        manager_(manager) {}

  // Returns when everything is adopted or removed; an error means that the agent must not serve.
  // DEADLINE_EXCEEDED when removals took longer than `timeout`.
  absl::StatusOr<Result> Run(absl::Duration timeout);

 private:
  absl::Status ReadRecords();
  // nullopt: nothing readable; whatever the id names is removed.
  std::optional<SessionRecord> ReadRecord(const std::string& session_id);
  absl::Status RestoreOne(SessionRecord record);
  absl::Status Adopt(SessionRecord record);
  // A policy that the gateway process refuses becomes no network.
  absl::Status PutAgain(const SessionRecord& record);
  SessionRecord DescribeLost(SessionRecord record, absl::string_view reason,
                             const std::string& message);
  absl::Status AdoptSlot(SessionRecord* record);
  absl::Status KillExecs(const SessionRecord& record);
  absl::Status SweepGateway();
  absl::Status SweepCgroups();
  absl::Status AddLooseVolumes();

  const std::string boot_id_;
  const NodeResources* const resources_;
  TombstoneLog* const tombstones_;
  SessionManager* const manager_;
  std::map<std::string, SessionRecord> records_;
  std::set<std::string> fenced_;
  Result result_;
};

}  // namespace paddock::nodeagent
