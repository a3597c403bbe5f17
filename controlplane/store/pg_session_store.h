#pragma once

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/core/session_store.h"
#include "controlplane/store/sql.h"

namespace paddock {

// SessionStore on PostgreSQL. Transactions of the hot path are functions in the database, so each
// is one round trip. Thread-safe.
class PgSessionStore : public SessionStore {
 public:
  // `not_ready_after`: the age of a heartbeat from which a node isn't reachable.
  PgSessionStore(const Sql* sql, absl::Duration not_ready_after)
      : sql_(sql), not_ready_after_(not_ready_after) {}

  absl::StatusOr<CreatedSession> Create(const NewSession& session,
                                        const Idempotency& idempotency) override;
  absl::StatusOr<std::optional<Session>> FindCreated(const Tenant& tenant,
                                                     const Idempotency& idempotency) override;
  absl::StatusOr<Session> Get(const Tenant& tenant, const SessionId& id) override;
  absl::StatusOr<SessionLocation> Locate(const Tenant& tenant, const SessionId& id) override;
  absl::StatusOr<StorePage<Session>> List(const Tenant& tenant, const SessionFilter& filter,
                                          const PageQuery& page) override;
  absl::StatusOr<std::vector<SessionEvent>> Events(const Tenant& tenant, const SessionId& id,
                                                   int64_t after) override;
  absl::StatusOr<Session> Mutate(const Tenant& tenant, const SessionId& id,
                                 const Mutation<Session>& mutation) override;
  absl::StatusOr<std::vector<TransitionResult>> Apply(
      const std::vector<SessionTransition>& transitions) override;
  absl::StatusOr<Ended> Archive(const Tenant& tenant, const SessionId& id) override;
  absl::StatusOr<std::optional<StopOrder>> Delete(const Tenant& tenant,
                                                  const SessionId& id) override;
  absl::StatusOr<std::optional<RunOrder>> Place(const Move& move) override;
  absl::Status ConfirmStopped(const NodeId& node, const SessionId& id, int64_t generation) override;

 private:
  // Reads it in the caller's transaction; NOT_FOUND.
  absl::StatusOr<Session> Read(Transaction& transaction, const Tenant& tenant, const SessionId& id);
  absl::StatusOr<CreatedSession> Created(Transaction& transaction, const NewSession& session,
                                         const Idempotency& idempotency, const pqxx::row& row);
  absl::StatusOr<std::optional<Session>> FindCreatedIn(Transaction& transaction,
                                                       const Tenant& tenant,
                                                       const Idempotency& idempotency);
  // What a repeated create answers while the session exists; NOT_FOUND.
  absl::StatusOr<Session> ReadCreated(Transaction& transaction, const Tenant& tenant,
                                      const SessionId& id);

  const Sql* const sql_;
  const absl::Duration not_ready_after_;
};

}  // namespace paddock
