// How session rows are read, for the stores that do. Pure.
#pragma once

#include <optional>
#include <pqxx/pqxx>
#include <string>

#include "absl/strings/string_view.h"
#include "controlplane/core/resources.h"
#include "controlplane/core/session_store.h"

namespace paddock {

absl::string_view OnNodeLossName(OnNodeLoss on_node_loss);
OnNodeLoss ParseOnNodeLoss(absl::string_view name);
// An unknown name is TERMINATED: nothing is done with it.
SessionPhase PhaseFromName(absl::string_view name);

// The columns that ReadSession reads, of `sessions s LEFT JOIN node_heartbeats h`; %1$s of the
// interval within which a node is reachable must be parameter $1.
#define PADDOCK_NODE_REACHABLE \
  "COALESCE(h.last_heartbeat_at > clock_timestamp() - $1::interval, false)"
#define PADDOCK_SESSION_COLUMNS                                                               \
  "s.id, s.organization, s.workspace, s.environment_id, s.title, s.metadata, s.document, "    \
  "s.request_cpu, s.request_memory, s.request_disk, s.on_node_loss, s.state, s.reason, "      \
  "s.message, s.generation, s.node_id, s.exit_code, s.revision, s.created_at, s.updated_at, " \
  "s.started_at, s.ended_at, s.archived_at, " PADDOCK_NODE_REACHABLE
#define PADDOCK_SESSION_FROM \
  " FROM sessions s LEFT JOIN node_heartbeats h ON h.node_id = s.node_id "

Session ReadSession(const pqxx::row& row);

// A session as text, whole, for answers to repeated creates after it is gone.
std::string EncodeSession(const Session& session);
Session DecodeSession(absl::string_view text, const Tenant& tenant);

// The three columns node, address, generation of a function that orders a stop; nullopt when there
// was nothing to stop.
class RowReader;
std::optional<StopOrder> ReadStop(RowReader& reader, const SessionId& id, absl::string_view reason);

}  // namespace paddock
