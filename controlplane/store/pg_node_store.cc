#include "controlplane/store/pg_node_store.h"

#include <utility>

#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/node_rows.h"
#include "controlplane/store/row_reader.h"
#include "controlplane/store/session_rows.h"

namespace paddock {
namespace {

constexpr int kShownSessions = 10;

constexpr Statement kRegister = {
    "node_register",
    "SELECT superseded, rebooted, o_revision FROM register_node($1, $2, $3, $4, $5, $6, $7, $8, "
    "$9, $10, $11::bigint, $12::bigint, $13::bigint, $14::bigint)"};
// Rows are locked in the order of their ids, so that batches of two replicas can't deadlock.
constexpr Statement kHeartbeats = {
    "node_heartbeats",
    "WITH input AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], "
    "$5::text[]) AS t (node_id, epoch, sequence, applied, reason)), "
    "locked AS (SELECT h.node_id, h.epoch, h.sequence FROM node_heartbeats h JOIN input i ON "
    "i.node_id = h.node_id ORDER BY h.node_id FOR NO KEY UPDATE OF h), "
    "written AS (UPDATE node_heartbeats h SET sequence = i.sequence, counter = h.counter + 1, "
    "applied_revision = i.applied, not_schedulable = i.reason, last_heartbeat_at = "
    "clock_timestamp() FROM input i JOIN locked l ON l.node_id = i.node_id WHERE h.node_id = "
    "i.node_id AND l.epoch = i.epoch AND l.sequence < i.sequence RETURNING h.node_id) "
    "SELECT i.node_id, l.node_id IS NOT NULL, l.epoch = i.epoch, w.node_id IS NOT NULL, s.revision "
    "FROM input i LEFT JOIN locked l ON l.node_id = i.node_id LEFT JOIN written w ON w.node_id = "
    "i.node_id LEFT JOIN node_state s ON s.node_id = i.node_id"};
constexpr Statement kImages = {
    "node_images",
    "UPDATE nodes n SET images = i.images FROM unnest($1::text[], $2::text[]) AS i (id, images) "
    "WHERE n.id = i.id AND n.images <> i.images"};
constexpr Statement kDesired = {
    "node_desired",
    "SELECT p.session_id, p.generation, p.node_revision, p.stop, p.stop_reason, p.keep_volume, "
    "s.organization, s.workspace, s.on_node_loss, s.spec FROM placements p LEFT JOIN sessions s ON "
    "s.id = p.session_id AND NOT p.stop WHERE p.node_id = $1 AND p.node_revision > $2 AND "
    "p.released_at IS NULL ORDER BY p.node_revision"};
// First a row for each node whose epoch is the newest, then the placements. Every step begins with
// few rows and goes on by index, whatever the planner thinks of the tables: hence the OFFSETs.
constexpr Statement kPlacements = {
    "node_placements",
    "WITH asked AS MATERIALIZED (SELECT i.n, i.node_id, i.after FROM unnest($1::text[], "
    "$2::text[], $3::bigint[]) WITH ORDINALITY AS i (node_id, epoch, after, n) JOIN "
    "node_heartbeats h ON h.node_id = i.node_id AND h.epoch = i.epoch), "
    "ids AS MATERIALIZED (SELECT a.n, a.node_id, p.session_id FROM asked a CROSS JOIN LATERAL "
    "(SELECT session_id FROM placements WHERE node_id = a.node_id AND node_revision > a.after AND "
    "released_at IS NULL OFFSET 0) p UNION SELECT a.n, a.node_id, i.session_id FROM "
    "unnest($4::bigint[], $5::text[]) AS i (n, session_id) JOIN asked a ON a.n = i.n) "
    "SELECT n, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM asked "
    "UNION ALL SELECT d.n, p.session_id, p.generation, p.node_revision, p.stop, p.stop_reason, "
    "extract(epoch FROM clock_timestamp() - p.created_at)::float8, s.on_node_loss, s.state, "
    "s.reason FROM ids d CROSS JOIN LATERAL (SELECT * FROM placements WHERE session_id = "
    "d.session_id OFFSET 0) p LEFT JOIN LATERAL (SELECT on_node_loss, state, reason FROM sessions "
    "WHERE id = p.session_id AND generation = p.generation OFFSET 0) s ON true WHERE p.node_id = "
    "d.node_id AND p.released_at IS NULL"};
constexpr Statement kRelease = {
    "node_release", "SELECT release_placements($1, $2, $3::text[], $4::bigint[], false)"};
constexpr Statement kRestart = {"node_restart",
                                "SELECT restart_session($1, $2, $3, $4::bigint, $5, $6)"};

#define COLUMNS \
  "SELECT n.id, " PADDOCK_NODE_DESCRIPTION ", " PADDOCK_NODE_CONDITION PADDOCK_NODE_FROM

constexpr Statement kGet = {"node_get", COLUMNS "WHERE n.id = $1"};
constexpr Statement kList = {
    "node_list", COLUMNS "WHERE $1::text IS NULL OR n.id < $1 ORDER BY n.id DESC LIMIT $2"};
#undef COLUMNS
constexpr Statement kCordon = {
    "node_cordon",
    "UPDATE node_state SET cordoned = $2::bool, draining = draining AND $2::bool, drain_deadline = "
    "CASE WHEN $2::bool THEN drain_deadline END WHERE node_id = $1"};
// Counts begin with the drain; a call for a drain under way only moves the deadline.
constexpr Statement kDrain = {
    "node_drain",
    "UPDATE node_state SET cordoned = true, draining = true, drain_deadline = clock_timestamp() + "
    "$2::interval, drain_moved = CASE WHEN draining THEN drain_moved ELSE 0 END, drain_ended = "
    "CASE WHEN draining THEN drain_ended ELSE 0 END WHERE node_id = $1"};
constexpr Statement kProgress = {
    "node_drain_progress",
    "SELECT s.draining, s.drain_moved, s.drain_ended, (SELECT count(*) FROM placements p WHERE "
    "p.node_id = $1 AND p.released_at IS NULL) FROM node_state s WHERE s.node_id = $1"};
constexpr Statement kRemaining = {
    "node_remaining",
    "SELECT session_id FROM placements WHERE node_id = $1 AND released_at IS NULL ORDER BY "
    "node_revision LIMIT $2"};
constexpr Statement kGone = {"node_gone", "SELECT mark_node_gone($1)"};
// The locks of mark_node_gone in its order, up to the one that heartbeats wait for.
constexpr Statement kLockSessions = {
    "node_lock_sessions",
    "SELECT 1 FROM sessions WHERE id IN (SELECT session_id FROM placements WHERE node_id = $1 AND "
    "released_at IS NULL) ORDER BY id FOR UPDATE"};
constexpr Statement kLockPlacements = {
    "node_lock_placements",
    "SELECT 1 FROM placements WHERE node_id = $1 AND released_at IS NULL ORDER BY session_id, "
    "generation FOR UPDATE"};
constexpr Statement kLockCounter = {
    "node_lock_counter", "SELECT counter FROM node_heartbeats WHERE node_id = $1 FOR UPDATE"};

Node ReadNode(const pqxx::row& row, const Settings& settings) {
  RowReader reader(row);
  Node node;
  node.id = NodeId(reader.String());
  ReadNodeDescription(reader, &node);
  ReadNodeCondition(reader, settings, &node);
  return node;
}

DesiredSession ReadDesired(const pqxx::row& row) {
  RowReader reader(row);
  SessionId id(reader.String());
  const int64_t generation = reader.Integer();
  DesiredSession entry;
  entry.revision = reader.Integer();
  const bool stop = reader.Boolean();
  std::string reason = reader.String();
  if (stop) {
    entry.desired = SessionStop{std::move(id), generation, std::move(reason)};
    return entry;
  }
  SessionSpec spec;
  spec.session_id = std::move(id);
  spec.generation = generation;
  spec.keep_volume = reader.Boolean();
  spec.tenant.organization = reader.String();
  spec.tenant.workspace = reader.String();
  spec.on_node_loss = ParseOnNodeLoss(reader.Text());
  DecodeSpec(reader.Text(), &spec);
  entry.desired = std::move(spec);
  return entry;
}

PlacementState ReadPlacement(RowReader& reader) {
  PlacementState state;
  state.session_id = SessionId(reader.String());
  state.generation = reader.Integer();
  state.node_revision = reader.Integer();
  state.stop = reader.Boolean();
  state.stop_reason = reader.String();
  state.age = reader.Seconds();
  state.on_node_loss = ParseOnNodeLoss(reader.Text());
  state.phase = ParseSessionPhase(reader.Text());
  state.reason = reader.String();
  return state;
}

bool Malformed(const NodeId& id) { return !IsWellFormedId(kNodePrefix, id.value()); }

}  // namespace

absl::StatusOr<NodeStore::Registered> PgNodeStore::Register(const NodeRegistration& node) {
  return sql_->Run<Registered>(
      TransactionMode::kOne, [&](Transaction& transaction) -> absl::StatusOr<Registered> {
        RowReader reader(
            transaction.ExecRow(kRegister, Params()
                                               .Add(node.id.value())
                                               .Add(node.name)
                                               .Add(node.address)
                                               .Add(node.epoch)
                                               .Add(node.boot_id)
                                               .Add(EncodeMap(node.labels))
                                               .Add(EncodeStrings(node.runtime_classes))
                                               .Add(EncodeStrings(node.images))
                                               .Add(node.base_image)
                                               .Add(EncodeMap(node.details))
                                               .Add(node.capacity.cpu_millis)
                                               .Add(node.capacity.memory_bytes)
                                               .Add(node.capacity.disk_bytes)
                                               .Add(node.capacity.sessions)));
        Registered registered;
        registered.superseded = reader.Boolean();
        registered.rebooted = reader.Boolean();
        registered.revision = reader.Integer();
        return registered;
      });
}

absl::StatusOr<std::vector<HeartbeatOutcome>> PgNodeStore::WriteHeartbeats(
    const std::vector<const HeartbeatReport*>& heartbeats) {
  std::vector<std::string> ids, epochs, reasons;
  std::vector<int64_t> sequences, applied;
  for (const HeartbeatReport* heartbeat : heartbeats) {
    ids.push_back(heartbeat->id.value());
    epochs.push_back(heartbeat->epoch);
    sequences.push_back(heartbeat->sequence);
    applied.push_back(heartbeat->applied_revision);
    reasons.push_back(heartbeat->not_schedulable_reason);
  }
  using Outcomes = std::vector<HeartbeatOutcome>;
  return sql_->Run<Outcomes>(
      TransactionMode::kOne, [&](Transaction& transaction) -> absl::StatusOr<Outcomes> {
        std::map<std::string, HeartbeatOutcome> by_node;
        for (const pqxx::row& row : transaction.Exec(
                 kHeartbeats,
                 Params().Add(ids).Add(epochs).Add(sequences).Add(applied).Add(reasons))) {
          RowReader reader(row);
          HeartbeatOutcome& outcome = by_node[reader.String()];
          const bool known = reader.Boolean();
          const bool newest = reader.Boolean();
          const bool written = reader.Boolean();
          outcome.revision = reader.Integer();
          outcome.kind = !known    ? HeartbeatOutcome::Kind::kUnknown
                         : !newest ? HeartbeatOutcome::Kind::kSuperseded
                         : written ? HeartbeatOutcome::Kind::kWritten
                                   : HeartbeatOutcome::Kind::kOld;
        }
        Outcomes outcomes;
        for (const std::string& id : ids) outcomes.push_back(by_node[id]);
        return outcomes;
      });
}

absl::Status PgNodeStore::WriteImages(const std::vector<Images>& nodes) {
  std::vector<std::string> ids, images;
  for (const Images& node : nodes) {
    ids.push_back(node.id.value());
    images.push_back(EncodeStrings(node.images));
  }
  return sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) {
    transaction.Exec(kImages, Params().Add(ids).Add(images));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<DesiredSession>> PgNodeStore::Desired(const NodeId& id,
                                                                 int64_t after_revision) {
  using Entries = std::vector<DesiredSession>;
  return sql_->Run<Entries>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<Entries> {
        Entries entries;
        for (const pqxx::row& row :
             transaction.Exec(kDesired, Params().Add(id.value()).Add(after_revision))) {
          entries.push_back(ReadDesired(row));
        }
        return entries;
      });
}

absl::StatusOr<std::vector<std::optional<std::vector<PlacementState>>>> PgNodeStore::Placements(
    const std::vector<PlacementQuery>& queries) {
  std::vector<std::string> ids, epochs, sessions;
  std::vector<int64_t> after, positions;
  for (const PlacementQuery& query : queries) {
    ids.push_back(query.id.value());
    epochs.push_back(query.epoch);
    after.push_back(query.after_revision);
    for (const SessionId& session : query.sessions) {
      positions.push_back(static_cast<int64_t>(ids.size()));
      sessions.push_back(session.value());
    }
  }
  const Params params = Params().Add(ids).Add(epochs).Add(after).Add(positions).Add(sessions);
  using Answers = std::vector<std::optional<std::vector<PlacementState>>>;
  return sql_->Run<Answers>(TransactionMode::kRead,
                            [&](Transaction& transaction) -> absl::StatusOr<Answers> {
                              Answers answers(queries.size());
                              for (const pqxx::row& row : transaction.Exec(kPlacements, params)) {
                                RowReader reader(row);
                                const size_t position = static_cast<size_t>(reader.Integer()) - 1;
                                if (!answers[position].has_value()) answers[position].emplace();
                                if (!reader.IsNull())
                                  answers[position]->push_back(ReadPlacement(reader));
                              }
                              return answers;
                            });
}

absl::Status PgNodeStore::ReleaseAbsent(const NodeId& id, const std::string& epoch,
                                        const std::vector<Absent>& absent) {
  if (absent.empty()) return absl::OkStatus();
  std::vector<std::string> sessions;
  std::vector<int64_t> generations;
  for (const Absent& placement : absent) {
    sessions.push_back(placement.session_id.value());
    generations.push_back(placement.generation);
  }
  return sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) {
    transaction.Exec(kRelease, Params().Add(id.value()).Add(epoch).Add(sessions).Add(generations));
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> PgNodeStore::RestartSession(const NodeId& id, const std::string& epoch,
                                                 const Absent& session, const std::string& reason,
                                                 const std::string& message) {
  return sql_->Run<bool>(
      TransactionMode::kOne, [&](Transaction& transaction) -> absl::StatusOr<bool> {
        RowReader reader(transaction.ExecRow(kRestart, Params()
                                                           .Add(id.value())
                                                           .Add(epoch)
                                                           .Add(session.session_id.value())
                                                           .Add(session.generation)
                                                           .Add(reason)
                                                           .Add(message)));
        return reader.Boolean();
      });
}

absl::StatusOr<Node> PgNodeStore::Read(Transaction& transaction, const NodeId& id) {
  const pqxx::row row = transaction.ExecRow(kGet, Params().Add(id.value()));
  if (row.empty()) return errors::NodeNotFound(id.value());
  return ReadNode(row, settings_);
}

absl::StatusOr<Node> PgNodeStore::Get(const NodeId& id) {
  if (Malformed(id)) return errors::NodeNotFound(id.value());
  return sql_->Run<Node>(TransactionMode::kRead,
                         [&](Transaction& transaction) { return Read(transaction, id); });
}

absl::StatusOr<StorePage<Node>> PgNodeStore::List(const PageQuery& page) {
  Params params;
  page.after.empty() ? params.AddNull() : params.Add(page.after);
  params.Add(page.limit + 1);
  return sql_->Run<StorePage<Node>>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<StorePage<Node>> {
        StorePage<Node> result;
        for (const pqxx::row& row : transaction.Exec(kList, params)) {
          if (static_cast<int>(result.items.size()) == page.limit) {
            result.has_more = true;
            break;
          }
          result.items.push_back(ReadNode(row, settings_));
        }
        return result;
      });
}

absl::StatusOr<std::vector<Node>> PgNodeStore::ListAll() { return fleet_.ReadAll(); }

absl::StatusOr<Node> PgNodeStore::SetCordoned(const NodeId& id, bool cordoned) {
  if (Malformed(id)) return errors::NodeNotFound(id.value());
  return sql_->Run<Node>(TransactionMode::kManyWrite, [&](Transaction& transaction) {
    transaction.Exec(kCordon, Params().Add(id.value()).Add(cordoned));
    return Read(transaction, id);
  });
}

absl::StatusOr<Node> PgNodeStore::SetDraining(const NodeId& id,
                                              std::optional<absl::Duration> deadline) {
  if (Malformed(id)) return errors::NodeNotFound(id.value());
  return sql_->Run<Node>(TransactionMode::kManyWrite, [&](Transaction& transaction) {
    transaction.Exec(kDrain, Params().Add(id.value()).Add(deadline));
    return Read(transaction, id);
  });
}

absl::StatusOr<NodeStore::DrainProgress> PgNodeStore::GetDrainProgress(const NodeId& id) {
  if (Malformed(id)) return errors::NodeNotFound(id.value());
  return sql_->Run<DrainProgress>(
      TransactionMode::kRead, [&](Transaction& transaction) -> absl::StatusOr<DrainProgress> {
        const pqxx::row row = transaction.ExecRow(kProgress, Params().Add(id.value()));
        if (row.empty()) return errors::NodeNotFound(id.value());
        RowReader reader(row);
        DrainProgress progress;
        progress.draining = reader.Boolean();
        progress.moved = reader.Integer();
        progress.ended = reader.Integer();
        progress.remaining = reader.Integer();
        for (const pqxx::row& session :
             transaction.Exec(kRemaining, Params().Add(id.value()).Add(kShownSessions))) {
          progress.remaining_ids.emplace_back(RowReader(session).String());
        }
        return progress;
      });
}

absl::Status PgNodeStore::MarkGone(const NodeId& id) {
  if (Malformed(id)) return errors::NodeNotFound(id.value());
  return sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) -> absl::Status {
    RowReader reader(transaction.ExecRow(kGone, Params().Add(id.value())));
    return reader.Boolean() ? absl::OkStatus() : errors::NodeNotFound(id.value());
  });
}

absl::StatusOr<bool> PgNodeStore::MarkSilentGone(const NodeId& id, int64_t counter) {
  if (Malformed(id)) return false;
  return sql_->Run<bool>(TransactionMode::kManyWrite,
                         [&](Transaction& transaction) -> absl::StatusOr<bool> {
                           const Params node = Params().Add(id.value());
                           transaction.Exec(kLockSessions, node);
                           transaction.Exec(kLockPlacements, node);
                           const pqxx::row heartbeat = transaction.ExecRow(kLockCounter, node);
                           if (heartbeat.empty() || RowReader(heartbeat).Integer() != counter)
                             return false;
                           return RowReader(transaction.ExecRow(kGone, node)).Boolean();
                         });
}

}  // namespace paddock
