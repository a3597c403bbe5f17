#pragma once

#include <map>
#include <string>
#include <vector>

#include "controlplane/core/fleet_store.h"
#include "controlplane/core/settings.h"
#include "controlplane/store/sql.h"

namespace paddock {

// FleetStore on PostgreSQL. Thread-safe.
class PgFleetStore : public FleetStore {
 public:
  PgFleetStore(const Sql* sql, const Settings& settings) : sql_(sql), settings_(settings) {}

  absl::StatusOr<bool> TakeLease(const std::string& name, const std::string& holder,
                                 absl::Duration ttl) override;
  absl::Status ReleaseLease(const std::string& name, const std::string& holder) override;
  absl::StatusOr<std::vector<QueuedSession>> Queue(int limit) override;
  absl::StatusOr<std::vector<StuckSession>> Stuck(SessionPhase phase, absl::Duration age,
                                                  int limit) override;
  absl::StatusOr<std::vector<RunningSession>> RunsOn(const NodeId& node, int limit) override;
  absl::StatusOr<std::vector<StopOrder>> UnconfirmedStops(absl::Duration age, int limit) override;
  absl::StatusOr<std::map<NodeId, int64_t>> RunCounts(const std::vector<NodeId>& nodes) override;
  absl::StatusOr<int64_t> Expire(int limit) override;

 private:
  const Sql* const sql_;
  const Settings settings_;
};

}  // namespace paddock
