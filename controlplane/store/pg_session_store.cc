#include "controlplane/store/pg_session_store.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/store/json_codec.h"
#include "controlplane/store/requests.h"
#include "controlplane/store/row_reader.h"
#include "controlplane/store/session_rows.h"

namespace paddock {
namespace {

constexpr Statement kCreate = {
    "session_create",
    "SELECT outcome, o_id, o_node, o_address, o_revision FROM create_session($1, $2, $3, $4, $5, "
    "$6, $7::bigint, $8, $9, $10, $11, $12, $13, $14, $15::bigint, $16::bigint, $17::bigint, $18, "
    "$19::text[], $20::interval, $21, $22, $23::timestamptz)"};
constexpr Statement kApply = {
    "session_apply",
    "SELECT * FROM apply_transition($1, $2::bigint, $3::text[], $4, $5, $6, $7::integer, "
    "$8::timestamptz, $9::timestamptz, $10)"};
constexpr Statement kArchive = {"session_archive", "SELECT * FROM archive_session($1, $2, $3)"};
constexpr Statement kDelete = {"session_delete", "SELECT * FROM delete_session($1, $2, $3, $4)"};
constexpr Statement kPlace = {
    "session_place",
    "SELECT p.outcome, p.o_node, p.o_address, p.o_generation, p.o_revision, s.organization, "
    "s.workspace, s.on_node_loss, s.spec FROM place_session($1, $2::bigint, $3::text[], "
    "$4::interval, $5, $6, $7::bigint) p LEFT JOIN sessions s ON s.id = $1"};
constexpr Statement kRelease = {
    "session_release",
    "SELECT release_placements($1, NULL, ARRAY[$2]::text[], ARRAY[$3]::bigint[], true)"};

constexpr char kDeleted[] = "DELETED";

bool Malformed(const SessionId& id) { return !IsWellFormedId(kSessionPrefix, id.value()); }

SessionSpec MakeSpec(const NewSession& created) {
  SessionSpec spec;
  spec.session_id = created.session.id;
  spec.generation = 1;
  spec.tenant = created.session.tenant;
  spec.image_digest = created.session.image_digest;
  spec.limits = created.session.compute.limits;
  spec.runtime_class = created.session.compute.runtime_class;
  spec.on_node_loss = created.session.on_node_loss;
  spec.network = created.network;
  return spec;
}

std::vector<std::string> Names(const std::vector<NodeId>& nodes) {
  std::vector<std::string> names;
  names.reserve(nodes.size());
  for (const NodeId& node : nodes) names.push_back(node.value());
  return names;
}

// The phases from which `to` is reached; with `to` itself, so that reason and message can change.
std::vector<std::string> SourcesOf(SessionPhase to, std::optional<SessionPhase> only_from) {
  std::vector<std::string> sources;
  for (SessionPhase from : kAllSessionPhases) {
    if (only_from.value_or(from) != from) continue;
    if (CanTransition(from, to) || (from == to && !IsFinal(to))) {
      sources.emplace_back(SessionPhaseName(from));
    }
  }
  return sources;
}

Params Key(const Tenant& tenant, const SessionId& id) {
  return Params().Add(tenant.organization).Add(tenant.workspace).Add(id.value());
}

// What a repeated create answers once the session is gone.
std::string EncodeDeleted(Session session) {
  session.state = SessionPhase::kTerminated;
  session.reason = kDeleted;
  session.message = "The session was deleted.";
  if (!session.ended_at.has_value()) session.ended_at = Clock::Real()->Now();
  return EncodeSession(session);
}

TransitionResult ReadTransition(const pqxx::row& row, const SessionTransition& transition) {
  RowReader reader(row);
  TransitionResult result;
  result.applied = reader.Boolean();
  const absl::string_view state = reader.Text();
  result.exists = !state.empty();
  result.phase = PhaseFromName(state);
  result.generation = reader.Integer();
  result.revision = reader.Integer();
  result.reason = reader.String();
  result.message = reader.String();
  result.updated_at = reader.Time();
  result.started_at = reader.OptionalTime();
  result.ended_at = reader.OptionalTime();
  result.exit_code = reader.OptionalInteger();
  result.stop = ReadStop(reader, transition.id, transition.stop_reason);
  return result;
}

}  // namespace

absl::StatusOr<CreatedSession> PgSessionStore::Create(const NewSession& created,
                                                      const Idempotency& idempotency) {
  const Session& session = created.session;
  const Compute& compute = session.compute;
  Params params;
  params.Add(session.tenant.organization).Add(session.tenant.workspace);
  if (idempotency.request_id.empty()) {
    params.AddNull().AddNull();
  } else {
    params.Add(idempotency.request_id).Add(idempotency.body_hash);
  }
  params.Add(session.id.value())
      .Add(session.environment_id.value())
      .Add(created.environment_revision);
  session.agent.has_value() ? params.Add(session.agent->id.value()) : params.AddNull();
  params.Add(session.title)
      .Add(EncodeMap(session.metadata))
      .Add(EncodeSessionDocument(session))
      .Add(EncodeSpec(MakeSpec(created)))
      .Add(EncodeMap(compute.node_labels))
      .Add(created.shape)
      .Add(compute.requests.cpu_millis)
      .Add(compute.requests.memory_bytes)
      .Add(compute.requests.disk_bytes)
      .Add(OnNodeLossName(session.on_node_loss))
      .Add(Names(created.candidates))
      .Add(not_ready_after_)
      .Add(created.pending_reason)
      .Add(created.pending_message)
      .Add(session.created_at);
  return sql_->Run<CreatedSession>(TransactionMode::kOne,
                                   [&](Transaction& transaction) -> absl::StatusOr<CreatedSession> {
                                     const pqxx::row row = transaction.ExecRow(kCreate, params);
                                     return Created(transaction, created, idempotency, row);
                                   });
}

absl::StatusOr<CreatedSession> PgSessionStore::Created(Transaction& transaction,
                                                       const NewSession& created,
                                                       const Idempotency& idempotency,
                                                       const pqxx::row& row) {
  RowReader reader(row);
  const std::string outcome = reader.String();
  if (outcome == "environment_not_found") {
    return errors::EnvironmentNotFound(created.session.environment_id.value());
  }
  if (outcome == "environment_archived") {
    return errors::EnvironmentArchived(created.session.environment_id.value());
  }
  if (outcome == "environment_changed") return errors::ConcurrentChange();
  if (outcome == "reused") return errors::RequestIdReused(idempotency.request_id);
  CreatedSession result;
  if (outcome == "replay") {
    PADDOCK_ASSIGN_OR_RETURN(std::optional<Session> first,
                             FindCreatedIn(transaction, created.session.tenant, idempotency));
    if (!first.has_value()) return errors::ConcurrentChange();
    result.session = *std::move(first);
    result.replayed = true;
    return result;
  }
  result.session = created.session;
  result.session.revision = 1;
  result.session.updated_at = created.session.created_at;
  if (outcome != "placed") {
    result.session.state = SessionPhase::kPending;
    result.session.reason = created.pending_reason;
    result.session.message = created.pending_message;
    return result;
  }
  (void)reader.Text();  // The session's id.
  RunOrder run;
  run.node.id = NodeId(reader.String());
  run.node.address = reader.String();
  run.node_revision = reader.Integer();
  run.spec = MakeSpec(created);
  result.session.state = SessionPhase::kStarting;
  result.session.generation = 1;
  result.session.node_id = run.node.id;
  result.session.node_reachable = true;
  result.run = std::move(run);
  return result;
}

absl::StatusOr<std::vector<TransitionResult>> PgSessionStore::Apply(
    const std::vector<SessionTransition>& transitions) {
  std::vector<TransitionResult> results;
  for (const SessionTransition& transition : transitions) {
    Params params;
    params.Add(transition.id.value())
        .Add(transition.generation)
        .Add(SourcesOf(transition.to, transition.only_from))
        .Add(SessionPhaseName(transition.to))
        .Add(transition.reason)
        .Add(transition.message);
    transition.exit_code ? params.Add(*transition.exit_code) : params.AddNull();
    params.Add(transition.started_at).Add(transition.ended_at);
    transition.stop_reason.empty() ? params.AddNull() : params.Add(transition.stop_reason);
    absl::StatusOr<TransitionResult> result = sql_->Run<TransitionResult>(
        TransactionMode::kOne, [&](Transaction& transaction) -> absl::StatusOr<TransitionResult> {
          return ReadTransition(transaction.ExecRow(kApply, params), transition);
        });
    if (!result.ok()) return result.status();
    results.push_back(*std::move(result));
  }
  return results;
}

absl::StatusOr<SessionStore::Ended> PgSessionStore::Archive(const Tenant& tenant,
                                                            const SessionId& id) {
  if (Malformed(id)) return errors::SessionNotFound(id.value());
  return sql_->Run<Ended>(TransactionMode::kManyWrite,
                          [&](Transaction& transaction) -> absl::StatusOr<Ended> {
                            const pqxx::row row = transaction.ExecRow(kArchive, Key(tenant, id));
                            RowReader reader(row);
                            if (!reader.Boolean()) return errors::SessionNotFound(id.value());
                            Ended ended;
                            ended.stop = ReadStop(reader, id, "ARCHIVED");
                            PADDOCK_ASSIGN_OR_RETURN(ended.session, Read(transaction, tenant, id));
                            return ended;
                          });
}

absl::StatusOr<std::optional<StopOrder>> PgSessionStore::Delete(const Tenant& tenant,
                                                                const SessionId& id) {
  if (Malformed(id)) return errors::SessionNotFound(id.value());
  std::optional<std::string> last;
  bool needs_last = false;
  auto attempt = [&](Transaction& transaction) -> absl::StatusOr<std::optional<StopOrder>> {
    const pqxx::row row = transaction.ExecRow(kDelete, Key(tenant, id).Add(last));
    RowReader reader(row);
    if (!reader.Boolean()) return errors::SessionNotFound(id.value());
    needs_last = reader.Boolean();
    return ReadStop(reader, id, kDeleted);
  };
  absl::StatusOr<std::optional<StopOrder>> result =
      sql_->Run<std::optional<StopOrder>>(TransactionMode::kOne, attempt);
  if (!result.ok() || !needs_last) return result;
  PADDOCK_ASSIGN_OR_RETURN(
      Session session, sql_->Run<Session>(TransactionMode::kRead, [&](Transaction& transaction) {
        return ReadCreated(transaction, tenant, id);
      }));
  last = EncodeDeleted(std::move(session));
  return sql_->Run<std::optional<StopOrder>>(TransactionMode::kOne, attempt);
}

absl::StatusOr<std::optional<RunOrder>> PgSessionStore::Place(const Move& move) {
  Params params;
  params.Add(move.id.value())
      .Add(move.generation)
      .Add(Names(move.candidates))
      .Add(not_ready_after_)
      .Add(move.reason)
      .Add(move.message)
      .Add(move.lost_node_counter);
  return sql_->Run<std::optional<RunOrder>>(
      TransactionMode::kOne,
      [&](Transaction& transaction) -> absl::StatusOr<std::optional<RunOrder>> {
        const pqxx::row row = transaction.ExecRow(kPlace, params);
        RowReader reader(row);
        if (reader.Text() != "placed") return std::optional<RunOrder>();
        RunOrder run;
        run.node.id = NodeId(reader.String());
        run.node.address = reader.String();
        run.spec.session_id = move.id;
        run.spec.generation = reader.Integer();
        run.node_revision = reader.Integer();
        run.spec.tenant.organization = reader.String();
        run.spec.tenant.workspace = reader.String();
        run.spec.on_node_loss = ParseOnNodeLoss(reader.Text());
        DecodeSpec(reader.Text(), &run.spec);
        return std::optional<RunOrder>(std::move(run));
      });
}

absl::Status PgSessionStore::ConfirmStopped(const NodeId& node, const SessionId& id,
                                            int64_t generation) {
  return sql_->RunStatus(TransactionMode::kOne, [&](Transaction& transaction) {
    transaction.Exec(kRelease, Params().Add(node.value()).Add(id.value()).Add(generation));
    return absl::OkStatus();
  });
}

}  // namespace paddock
