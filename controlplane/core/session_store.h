#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/node_client.h"
#include "controlplane/core/page.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_events.h"
#include "controlplane/core/store_types.h"

namespace paddock {

// A placement to be carried out: what PutSession takes.
struct RunOrder {
  NodeTarget node;
  SessionSpec spec;
  int64_t node_revision = 0;
};

// A placement to be ended: what StopSession takes.
struct StopOrder {
  NodeTarget node;
  SessionStop stop;
};

struct NewSession {
  Session session;  // Phase, node and generation are set by the store.
  NetworkPolicy network;
  // Of the environment that the snapshot was taken from.
  int64_t environment_revision = 0;
  // Nodes to be tried, in this order.
  std::vector<NodeId> candidates;
  // Sessions of one shape are placed in the order of their creation.
  std::string shape;
  // The environment's image isn't READY: the session is PENDING outside of the queue, without a
  // shape, until ImageStore pins it to the image or ends it.
  // `shape` is empty then.
  bool awaits_image = false;
  // Stands in the session when no candidate has room.
  std::string pending_reason;
  std::string pending_message;
};

struct CreatedSession {
  Session session;
  std::optional<RunOrder> run;  // Empty: PENDING, or a replay.
  bool replayed = false;        // The first result of this request id.
};

enum class ListOrder { kNewestFirst, kOldestFirst };

struct SessionFilter {
  std::optional<EnvironmentId> environment_id;
  std::optional<AgentId> agent_id;
  std::optional<int64_t> agent_version;      // Meaningful with agent_id.
  std::vector<SessionPhase> phases;          // Any of these; empty: all.
  std::optional<absl::Time> created_after;   // Exclusive.
  std::optional<absl::Time> created_before;  // Exclusive.
  Archived archived = Archived::kExclude;
  ListOrder order = ListOrder::kNewestFirst;
};

// A step of one session's life, applied only while it is at `generation` and CanTransition allows
// it; so whatever is late or doubled changes nothing.
struct SessionTransition {
  SessionId id;
  int64_t generation = 0;
  SessionPhase to = SessionPhase::kRunning;
  // Set: only from this phase, of those that CanTransition allows.
  std::optional<SessionPhase> only_from;
  std::string reason;
  std::string message;
  std::optional<int> exit_code;
  std::optional<absl::Time> started_at;
  std::optional<absl::Time> ended_at;
  // Not empty: the placement is to end, for this reason, at a new revision of its node.
  std::string stop_reason;
};

struct TransitionResult {
  bool applied = false;
  bool exists = false;  // False: deleted, or never was.
  // The session's own, after the call. Meaningful when it exists.
  SessionPhase phase = SessionPhase::kPending;
  int64_t generation = 0;
  int64_t revision = 0;
  std::string reason;
  std::string message;
  absl::Time updated_at;
  std::optional<absl::Time> started_at;
  std::optional<absl::Time> ended_at;
  std::optional<int> exit_code;
  std::optional<StopOrder> stop;  // Set when this call made the placement end.
};

// Where the commands of a session run.
struct SessionLocation {
  NodeTarget node;
  int64_t generation = 0;
  SessionPhase phase = SessionPhase::kPending;
  bool node_reachable = false;
  absl::Duration node_silent_for;
};

// Sessions and their placements, durable. A placement (session, generation, node, charge) outlives
// its session; its charge is released by NodeStore when its absence is proven. node_reachable is
// computed at each read. See store_types.h for what holds for every method.
class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // One transaction: takes the environment against archiving, charges the first candidate with
  // room (ready, not cordoned), stores session, placement of generation 1 and request id. Without
  // room the session is stored as PENDING; so it is while an older one of its shape is PENDING.
  //   NOT_FOUND            no such environment.
  //   FAILED_PRECONDITION  the environment is archived.
  //   ABORTED              its revision isn't environment_revision: read it again.
  //   ALREADY_EXISTS       for `idempotency`.
  virtual absl::StatusOr<CreatedSession> Create(const NewSession& session,
                                                const Idempotency& idempotency) = 0;

  // The first result of a create, or nullopt when the request id is new. ALREADY_EXISTS when its
  // body was another. Title, metadata and agent are those that were stored first, all else is as
  // it is now; a session deleted since is TERMINATED, with the reason DELETED.
  virtual absl::StatusOr<std::optional<Session>> FindCreated(const Tenant& tenant,
                                                             const Idempotency& idempotency) = 0;

  virtual absl::StatusOr<Session> Get(const Tenant& tenant, const SessionId& id) = 0;
  virtual absl::StatusOr<SessionLocation> Locate(const Tenant& tenant, const SessionId& id) = 0;
  virtual absl::StatusOr<StorePage<Session>> List(const Tenant& tenant, const SessionFilter& filter,
                                                  const PageQuery& page) = 0;

  // Changes of the session's status with numbers above `after`, oldest first; bounded, so read on
  // from the last. Written together with the changes that they tell of.
  virtual absl::StatusOr<std::vector<SessionEvent>> Events(const Tenant& tenant,
                                                           const SessionId& id, int64_t after) = 0;

  // Changes title, metadata and the copy of the agent.
  virtual absl::StatusOr<Session> Mutate(const Tenant& tenant, const SessionId& id,
                                         const Mutation<Session>& mutation) = 0;

  // Each in a transaction of its own, results in the same order.
  virtual absl::StatusOr<std::vector<TransitionResult>> Apply(
      const std::vector<SessionTransition>& transitions) = 0;

  struct Ended {
    Session session;
    std::optional<StopOrder> stop;
  };
  // Sets archived_at and, in the same transaction, makes the placement end: STOPPING, or TERMINATED
  // when nothing runs. Again: the session as it is.
  virtual absl::StatusOr<Ended> Archive(const Tenant& tenant, const SessionId& id) = 0;

  // The row is gone, and with it the reference to the environment; the placement's end is ordered
  // in the same transaction.
  virtual absl::StatusOr<std::optional<StopOrder>> Delete(const Tenant& tenant,
                                                          const SessionId& id) = 0;

  struct Move {
    SessionId id;
    int64_t generation = 0;  // Of the session now; 0 when it was never placed.
    std::vector<NodeId> candidates;
    std::string reason;  // Of the session while it waits or starts.
    std::string message;
    bool keep_volume = false;
    // Only if the node of the current placement still has this heartbeat counter (it is lost) ...
    std::optional<int64_t> lost_node_counter;
    // ... or if the current placement is proven absent, by this refusal or reboot.
    bool current_is_absent = false;
  };
  // Places a PENDING, RESCHEDULING or STARTING session with the next generation, in one
  // transaction; an earlier placement must be released, absent or lost. Without room it is left
  // PENDING with reason and message. nullopt: no room, or the session has moved on.
  virtual absl::StatusOr<std::optional<RunOrder>> Place(const Move& move) = 0;

  // Absence is proven: StopSession answered OK. Releases the charge of the session's placements up
  // to `generation` whose end was ordered, and moves STOPPING to TERMINATED.
  virtual absl::Status ConfirmStopped(const NodeId& node, const SessionId& id,
                                      int64_t generation) = 0;
};

}  // namespace paddock
