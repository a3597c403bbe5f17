#include "controlplane/store/pg_fleet_store.h"

#include <utility>

#include "common/status_macros.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/row_reader.h"
#include "controlplane/store/session_rows.h"

namespace paddock {
namespace {

// Of each kind, at one time.
constexpr int kExpireSteps = 20;

constexpr Statement kTakeLease = {
    "lease_take",
    "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + "
    "$3::interval) ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = "
    "EXCLUDED.expires_at WHERE leases.holder = EXCLUDED.holder OR leases.expires_at < "
    "clock_timestamp() RETURNING 1"};
constexpr Statement kReleaseLease = {"lease_release",
                                     "DELETE FROM leases WHERE name = $1 AND holder = $2"};

#define NEEDS                                                                                  \
  "s.id, s.generation, s.reason, s.message, s.request_cpu, s.request_memory, s.request_disk, " \
  "s.shape, s.spec, s.node_needs, extract(epoch FROM clock_timestamp() - s.state_since)::float8 "

constexpr Statement kQueue = {
    "fleet_queue",
    "SELECT " NEEDS
    "FROM sessions s WHERE s.state IN ('PENDING', 'RESCHEDULING') AND s.shape <> '' AND NOT EXISTS "
    "(SELECT 1 FROM placements p WHERE p.session_id = s.id AND p.released_at IS NULL AND NOT "
    "p.fenced) ORDER BY s.id LIMIT $1"};
constexpr Statement kStuck = {
    "fleet_stuck",
    "SELECT s.id, s.generation, s.reason FROM sessions s WHERE s.state = $1 AND s.state_since < "
    "clock_timestamp() - $2::interval AND NOT (s.state = 'STARTING' AND s.on_node_loss = 'KEEP' "
    "AND s.generation > 1) ORDER BY s.id LIMIT $3"};
constexpr Statement kRunsOn = {
    "fleet_runs_on",
    "SELECT s.state, s.on_node_loss, " NEEDS
    "FROM placements p JOIN sessions s ON s.id = p.session_id AND s.generation = p.generation "
    "WHERE p.node_id = $1 AND (NOT p.stop OR s.state = 'RESCHEDULING') AND NOT p.fenced AND "
    "p.released_at IS NULL ORDER BY s.on_node_loss DESC, "
    "s.id LIMIT $2"};
#undef NEEDS
constexpr Statement kUnconfirmed = {
    "fleet_unconfirmed",
    "SELECT p.session_id, p.node_id, n.address, p.generation, p.stop_reason FROM placements p JOIN "
    "nodes n ON n.id = p.node_id JOIN node_heartbeats h ON h.node_id = p.node_id WHERE p.stop AND "
    "p.released_at IS NULL AND p.stop_at < clock_timestamp() - $1::interval AND "
    "h.last_heartbeat_at > clock_timestamp() - $2::interval ORDER BY p.stop_at LIMIT $3"};
constexpr Statement kRunCounts = {
    "fleet_run_counts",
    "SELECT node_id, count(*) FROM (SELECT node_id FROM placements WHERE NOT stop AND released_at "
    "IS NULL AND node_id = ANY ($1::text[]) UNION ALL SELECT p.node_id FROM sessions s JOIN "
    "placements p ON p.session_id = s.id AND p.generation = s.generation WHERE s.state = "
    "'RESCHEDULING' AND p.stop AND p.released_at IS NULL AND NOT p.fenced AND p.node_id = ANY "
    "($1::text[])) r GROUP BY node_id"};
constexpr Statement kExpire[] = {
    {"expire_requests",
     "DELETE FROM requests WHERE ctid = ANY (ARRAY(SELECT ctid FROM requests WHERE created_at < "
     "clock_timestamp() - interval '48 hours' LIMIT $1))"},
    {"expire_changes",
     "DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE created_at < clock_timestamp() "
     "- interval '1 minute' ORDER BY id LIMIT $1)"},
    {"expire_placements",
     "DELETE FROM placements WHERE ctid = ANY (ARRAY(SELECT ctid FROM placements WHERE released_at "
     "< clock_timestamp() - interval '1 hour' LIMIT $1))"}};

QueuedSession ReadNeeds(RowReader& reader) {
  QueuedSession queued;
  queued.id = SessionId(reader.String());
  queued.generation = reader.Integer();
  queued.reason = reader.String();
  queued.message = reader.String();
  queued.requests.cpu_millis = reader.Integer();
  queued.requests.memory_bytes = reader.Integer();
  queued.requests.disk_bytes = reader.Integer();
  queued.shape = reader.String();
  SessionSpec spec;
  DecodeSpec(reader.Text(), &spec);
  queued.image_digest = std::move(spec.image_digest);
  queued.runtime_class = std::move(spec.runtime_class);
  queued.node_labels = DecodeMap(reader.Text());
  queued.waiting = reader.Seconds();
  return queued;
}

}  // namespace

absl::StatusOr<bool> PgFleetStore::TakeLease(const std::string& name, const std::string& holder,
                                             absl::Duration ttl) {
  return sql_->Run<bool>(
      TransactionMode::kOne, [&](Transaction& transaction) -> absl::StatusOr<bool> {
        return !transaction.ExecRow(kTakeLease, Params().Add(name).Add(holder).Add(ttl)).empty();
      });
}

absl::Status PgFleetStore::ReleaseLease(const std::string& name, const std::string& holder) {
  return sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) {
    transaction.Exec(kReleaseLease, Params().Add(name).Add(holder));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<QueuedSession>> PgFleetStore::Queue(int limit) {
  using Queued = std::vector<QueuedSession>;
  return sql_->Run<Queued>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Queued> {
        Queued queued;
        for (const pqxx::row& row : transaction.Exec(kQueue, Params().Add(limit))) {
          RowReader reader(row);
          queued.push_back(ReadNeeds(reader));
        }
        return queued;
      });
}

absl::StatusOr<std::vector<StuckSession>> PgFleetStore::Stuck(SessionPhase phase,
                                                              absl::Duration age, int limit) {
  using Stuck = std::vector<StuckSession>;
  return sql_->Run<Stuck>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Stuck> {
        Stuck stuck;
        for (const pqxx::row& row :
             transaction.Exec(kStuck, Params().Add(SessionPhaseName(phase)).Add(age).Add(limit))) {
          RowReader reader(row);
          SessionId id(reader.String());
          const int64_t generation = reader.Integer();
          stuck.push_back({std::move(id), generation, phase, reader.String()});
        }
        return stuck;
      });
}

absl::StatusOr<std::vector<RunningSession>> PgFleetStore::RunsOn(const NodeId& node, int limit) {
  using Running = std::vector<RunningSession>;
  return sql_->Run<Running>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Running> {
        Running running;
        for (const pqxx::row& row :
             transaction.Exec(kRunsOn, Params().Add(node.value()).Add(limit))) {
          RowReader reader(row);
          RunningSession session;
          session.phase = PhaseFromName(reader.Text());
          session.on_node_loss = ParseOnNodeLoss(reader.Text());
          session.needs = ReadNeeds(reader);
          session.id = session.needs.id;
          session.generation = session.needs.generation;
          running.push_back(std::move(session));
        }
        return running;
      });
}

absl::StatusOr<std::vector<StopOrder>> PgFleetStore::UnconfirmedStops(absl::Duration age,
                                                                      int limit) {
  using Stops = std::vector<StopOrder>;
  return sql_->Run<Stops>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Stops> {
        Stops stops;
        for (const pqxx::row& row : transaction.Exec(
                 kUnconfirmed, Params().Add(age).Add(settings_.not_ready_after).Add(limit))) {
          RowReader reader(row);
          StopOrder stop;
          stop.stop.session_id = SessionId(reader.String());
          stop.node.id = NodeId(reader.String());
          stop.node.address = reader.String();
          stop.stop.generation = reader.Integer();
          stop.stop.reason = reader.String();
          stops.push_back(std::move(stop));
        }
        return stops;
      });
}

absl::StatusOr<std::map<NodeId, int64_t>> PgFleetStore::RunCounts(
    const std::vector<NodeId>& nodes) {
  using Counts = std::map<NodeId, int64_t>;
  if (nodes.empty()) return Counts();
  std::vector<std::string> ids;
  for (const NodeId& node : nodes) ids.push_back(node.value());
  return sql_->Run<Counts>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Counts> {
        Counts counts;
        for (const pqxx::row& row : transaction.Exec(kRunCounts, Params().Add(ids))) {
          RowReader reader(row);
          NodeId id(reader.String());
          counts[std::move(id)] = reader.Integer();
        }
        return counts;
      });
}

absl::StatusOr<int64_t> PgFleetStore::Expire(int limit) {
  int64_t removed = 0;
  for (const Statement& statement : kExpire) {
    // In steps, so that locks stay short, but as many as it takes to keep up with what comes.
    int64_t step = limit;
    for (int i = 0; i < kExpireSteps && step == limit; ++i) {
      PADDOCK_RETURN_IF_ERROR(sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) {
        step =
            static_cast<int64_t>(transaction.Exec(statement, Params().Add(limit)).affected_rows());
        return absl::OkStatus();
      }));
      removed += step;
    }
  }
  return removed;
}

}  // namespace paddock
