#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/node_store.h"
#include "controlplane/core/settings.h"
#include "controlplane/store/fleet_reader.h"
#include "controlplane/store/sql.h"

namespace paddock {

// NodeStore on PostgreSQL. The age of heartbeats is measured by the database's clock alone.
// Thread-safe.
class PgNodeStore : public NodeStore {
 public:
  PgNodeStore(const Sql* sql, const Settings& settings)
      : sql_(sql), settings_(settings), fleet_(sql, settings) {}

  absl::StatusOr<Registered> Register(const NodeRegistration& registration) override;
  absl::StatusOr<std::vector<HeartbeatOutcome>> WriteHeartbeats(
      const std::vector<const HeartbeatReport*>& heartbeats) override;
  absl::Status WriteImages(const std::vector<Images>& nodes) override;
  absl::StatusOr<std::vector<DesiredSession>> Desired(const NodeId& id,
                                                      int64_t after_revision) override;
  absl::StatusOr<std::vector<std::optional<std::vector<PlacementState>>>> Placements(
      const std::vector<PlacementQuery>& queries) override;
  absl::Status ReleaseAbsent(const NodeId& id, const std::string& epoch,
                             const std::vector<Absent>& absent) override;
  absl::StatusOr<bool> RestartSession(const NodeId& id, const std::string& epoch,
                                      const Absent& session, const std::string& reason,
                                      const std::string& message) override;
  absl::StatusOr<Node> Get(const NodeId& id) override;
  absl::StatusOr<StorePage<Node>> List(const PageQuery& page) override;
  absl::StatusOr<std::vector<Node>> ListAll() override;
  absl::StatusOr<Node> SetCordoned(const NodeId& id, bool cordoned) override;
  absl::StatusOr<Node> SetDraining(const NodeId& id,
                                   std::optional<absl::Duration> deadline) override;
  absl::StatusOr<DrainProgress> GetDrainProgress(const NodeId& id) override;
  absl::Status MarkGone(const NodeId& id) override;
  absl::StatusOr<bool> MarkSilentGone(const NodeId& id, int64_t counter) override;

 private:
  absl::StatusOr<Node> Read(Transaction& transaction, const NodeId& id);

  const Sql* const sql_;
  const Settings settings_;
  FleetReader fleet_;
};

}  // namespace paddock
